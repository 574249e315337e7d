// The model's answer to what is on the paper, and the page around it.
const LISTED_CLASSES = 10, LIKELIEST_CLASSES = 5; // with more classes than the first, only the likeliest are listed
const PASSING_ERRORS = [0, 429, 502, 503], CHECK_MS = 2000; // 0: no answer at all
const BLANK = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
let model = null;

// ---- the answer

let isBusy = false, isStale = false, checkTimer = null;

// One request at a time: while drawing, only the latest state of the paper is sent.
async function refresh() {
  isStale = true;
  if (isBusy) return;
  isBusy = true;
  let isChecked = false; // once: of several workers, one may take up a version a second later
  while (isStale) {
    isStale = false;
    try {
      const answer = isEmpty() ? null : await call("ModelMaker/preview", requestOptions());
      if (answer && isOfAnother(answer) && !isChecked) {
        isChecked = true;
        prepare(await call("ModelMaker/model")); // of the same size: the paper is sent to it again
        continue;
      }
      showAnswer(isEmpty() ? null : answer);
    } catch (error) {
      if (!(error instanceof ServiceError)) { isBusy = false; throw error; }
      showServiceError(error);
    }
  }
  isBusy = false;
}

function isOfAnother({ served, predictions }) {
  return served !== String(model.version) || predictions.map(one => one.label).join() !== model.class_names.join();
}

function showServiceError(error) {
  showError(error.message);
  if (error.status === 401) askForKey(notice, "key_wrong");
  else if (error.status === 400) checkService(0, false);
  else if (PASSING_ERRORS.includes(error.status)) checkService(CHECK_MS, true);
}

// While an error stands: the service may be back, or serve another model than the page describes.
function checkService(delay, mayPass) {
  const timer = checkTimer = setTimeout(async () => {
    try {
      const description = await call("ModelMaker/model");
      if (timer !== checkTimer) return; // the error is gone
      if (JSON.stringify(description) !== JSON.stringify(model)) prepare(description);
      else if (mayPass) refresh();
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      if (timer !== checkTimer) return;
      if (error.status === 401) showServiceError(error); else checkService(CHECK_MS, true);
    }
  }, delay);
}

function requestOptions() {
  if (!state.picture) {
    const body = JSON.stringify({ image: normalizedNumbers(paper, model.input_shape) });
    return { method: "POST", body, headers: { "Content-Type": "application/json" } };
  }
  const body = new FormData();
  body.append("image", state.picture.file);
  return { method: "POST", body };
}

const percent = share => `${(100 * share).toFixed(1)}\u00a0%`;

function showAnswer(answer) {
  clearTimeout(checkTimer);
  checkTimer = null;
  const best = answer?.predictions.reduce((one, other) => (other.probability > one.probability ? other : one));
  byId("headline").classList.toggle("waiting", !best);
  byId("best").textContent = byId("best").title = best ? best.label : text("waiting");
  byId("share").textContent = best ? ` ·\u00a0${percent(best.probability)}` : "";
  byId("headline").hidden = false;
  byId("error").textContent = "";
  byId("seen").src = answer ? answer.image : BLANK;
  showClasses(answer?.predictions, best);
}

function showError(message) {
  showAnswer(null);
  byId("headline").hidden = true;
  byId("error").textContent = message;
}

function showClasses(predictions, best) {
  const names = model.class_names;
  let listed = predictions ?? names.slice(0, LISTED_CLASSES).map(label => ({ label, probability: 0 }));
  if (names.length > LISTED_CLASSES) {
    const likeliest = [...listed].sort((one, other) => other.probability - one.probability);
    listed = predictions ? likeliest.slice(0, LIKELIEST_CLASSES) : Array(LIKELIEST_CLASSES).fill({ label: "", probability: 0 });
  }
  byId("rows").childNodes.forEach((row, at) => {
    const { label, probability } = listed[at];
    row.classList.toggle("likeliest", listed[at] === best);
    row.querySelector(".label").textContent = row.querySelector(".label").title = label;
    row.querySelector(".bar").style.width = `${100 * probability}%`;
    row.querySelector(".percent").textContent = predictions ? percent(probability) : "";
  });
}

// ---- the page

const notice = message => { byId("main").classList.add("pending"); byId("model").textContent = message; };

function start() {
  notice(text("connecting"));
  load("ModelMaker/model", prepare, notice);
}

function prepare(description) {
  model = description;
  const { class_names: names, input_shape: [height, width], handwriting } = model;
  const isNamed = names.some(name => name.length > 2), isLong = names.length > LISTED_CLASSES;
  byId("title").textContent = document.title =
    text(!handwriting ? "title_picture" : names.join("") === "0123456789" ? "title_digit" : "title_character");
  describeVersion();
  byId("caption").textContent = byId("seen").alt = text("seen", { size: `${width}×${height}` });
  byId("list_title").textContent = text(isLong ? "classes_top" : "classes", { count: LIKELIEST_CLASSES, total: names.length });
  for (const id of ["headline", "rows"]) byId(id).classList.toggle("named", isNamed);
  showRows(isLong ? LIKELIEST_CLASSES : names.length);
  if (!handwriting) [state, past] = [state.strokes.length ? EMPTY : state, past.filter(one => !one.strokes.length)];
  prepareInput(handwriting);
  byId("main").classList.remove("pending");
  changeTo(state);
}

function describeVersion() {
  const metric = ["test_accuracy", "val_accuracy"].find(name => model.metrics[name] !== undefined);
  const accuracy = metric && (100 * model.metrics[metric]).toFixed(2);
  byId("model").textContent = text(metric ? `model_${metric}` : "model", { ...model, accuracy });
}

function showRows(length) {
  byId("rows").replaceChildren(...Array.from({ length }, emptyRow));
}

function emptyRow() {
  const row = document.createElement("li");
  row.className = "row";
  row.innerHTML = '<span class="label"></span><span class="track"><span class="bar"></span></span><span class="percent"></span>';
  return row;
}

function prepareInput(handwriting) {
  const isTouched = matchMedia("(pointer: coarse)").matches;
  byId("prompt").textContent = text(handwriting ? "draw_here" : isTouched ? "take_or_choose" : "drop_here");
  byId("choose").textContent = text(isTouched ? "take_or_choose" : "choose");
  byId("hint").textContent = text(handwriting ? "hint_drawing" : "hint_picture");
  paper.setAttribute("role", handwriting ? "application" : "img"); // a screen reader leaves an application its keys
  paper.setAttribute("aria-label", text(handwriting ? "paper" : "picture_shown"));
  byId("file").parentElement.classList.toggle("primary", !handwriting);
  paper.onclick = handwriting ? null : () => byId("file").click();
  document.body.classList.toggle("drawable", handwriting);
  if (handwriting) paper.tabIndex = 0; else paper.removeAttribute("tabindex");
}

translatePage();
showRows(LISTED_CLASSES); // their place
listenForPointers();
listenForKeys();
listenForFiles();
listenForKey(start);
byId("undo").addEventListener("click", undo);
byId("clear").addEventListener("click", clear);
document.addEventListener("keydown", event => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && event.target.type !== "password") {
    event.preventDefault();
    undo();
  }
});
start();
