// The page that says how programs call the service. Its examples are of this service: its address, its model, its keys.
const ADDRESS = "ModelMaker/predict";
const SHOWN_IN_EXAMPLE = 3, SHOWN_OF_ANSWER = 4, WHOLE_ANSWER = 10; // entries of a list of predictions
const templates = new Map([...document.querySelectorAll("code:not([data-text])")].map(code => [code, code.textContent]));
let needsKey = false, model = null, documentedCount = 784; // numbers of an image, as the platform's contract has it

function showExamples() {
  const url = new URL(ADDRESS, location.href);
  const [height, width, channels] = model?.input_shape ?? [];
  const count = model ? height * width * channels : documentedCount, size = model ? `${width}×${height}` : "W×H";
  for (const [code, template] of templates) code.textContent = filled(template, { url, host: url.host, count });
  byId("answer").textContent = prettyAnswer({ success: true, predictions: examplePredictions() }, SHOWN_IN_EXAMPLE, SHOWN_IN_EXAMPLE + 1);
  byId("file_text").textContent = text("docs_file", { size });
  byId("numbers_text").textContent = text("docs_numbers", { count });
  byId("answer_text").textContent = text("docs_answer_form", { count: model?.class_names.length ?? "K" });
  byId("inverted").hidden = !model?.inverts;
}

// Where no key is needed, the parts of an example that send one are left out.
function filled(template, values) {
  const open = template.replace(/ -H 'Authorization: \S+'|^headers = \{.*\n|headers=headers, /gm, "");
  return (needsKey || template.includes("signature") ? template : open)
    .replace(/\{(url|host|count)\}/g, (_, name) => values[name]);
}

function examplePredictions() {
  const names = model?.class_names ?? ["…"];
  return names.map((label, at) => ({ label, probability: at ? 0.0004 : 0.9962 }));
}

// Of more predictions than `whole`, the likeliest `shown` stand in their places in class order, the others are counted.
function prettyAnswer(answer, shown, whole) {
  const { predictions, ...rest } = answer;
  if (!predictions) return JSON.stringify(rest, null, 2);
  const likeliest = [...predictions].sort((one, other) => other.probability - one.probability);
  const kept = new Set(likeliest.slice(0, predictions.length > whole ? shown : whole)), lines = [];
  let omitted = 0;
  for (const one of [...predictions, null]) { // the null ends the last gap
    if (one && !kept.has(one)) { omitted++; continue; }
    if (omitted) lines.push(`    ${text("docs_more", { count: omitted })}`);
    omitted = 0;
    if (one) lines.push(`    {"label": ${JSON.stringify(one.label)}, "probability": ${one.probability}}`);
  }
  return `{\n  "success": true,\n  "predictions": [\n${lines.join(",\n")}\n  ]\n}`;
}

function definition(term, meaning) {
  const [dt, code, dd] = ["dt", "code", "dd"].map(tag => document.createElement(tag));
  code.textContent = term;
  dt.append(code);
  dd.textContent = meaning;
  return [dt, dd];
}

function showDocument({ paths, security, components }) {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).filter(([, operation]) => operation.operationId)
      .map(([method, { operationId }]) => [`${method.toUpperCase()} ${path}`, operationId.replace("_of_version", "")]));
  byId("addresses").replaceChildren(...operations.flatMap(([term, name]) => definition(term, text(`operation_${name}`))));
  const statuses = Object.keys(texts).filter(key => key.startsWith("status_"));
  byId("statuses").replaceChildren(...statuses.flatMap(key => definition(key.replace("status_", ""), text(key))));
  needsKey = Boolean(security);
  const { image } = paths[`/${ADDRESS}`].post.requestBody.content["application/json"].schema.properties;
  documentedCount = image.example.length; // so that the examples run before the key is given, and with it the model
  const isSigned = components?.securitySchemes.key["x-auth"] === "signature"; // then the access key alone is refused
  for (const element of document.querySelectorAll(".bare")) element.hidden = isSigned;
  if (isSigned) byId("main").classList.remove("pending"); // the model's description needs a signature too
  const keys = isSigned ? text("docs_keys_signed") : needsKey ? text("docs_keys_needed") : text("docs_keys_none");
  byId("keys").textContent = keys;
  showExamples();
}

async function postFile(event) {
  const body = new FormData(), [file] = event.target.files;
  if (!file) return;
  body.append("image", file);
  event.target.value = ""; // so that the same file can be chosen again
  try {
    const response = await send(ADDRESS, { method: "POST", body });
    const answer = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json");
    byId("result").textContent = `HTTP ${response.status}\n${isJson ? prettyAnswer(JSON.parse(answer), SHOWN_OF_ANSWER, WHOLE_ANSWER) : answer}`;
    if (response.status === 401) start();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    byId("result").textContent = error.message;
  }
}

const notice = message => { byId("notice").textContent = message; };

function showModel(description) {
  model = description;
  notice("");
  showExamples();
  byId("main").classList.remove("pending");
}

function start() {
  load("ModelMaker/model", showModel, notice);
}

translatePage();
document.title = text("docs_title");
byId("choose").textContent = text(matchMedia("(pointer: coarse)").matches ? "take_or_choose" : "choose");
listenForKey(start);
byId("file").addEventListener("change", postFile);
showExamples();
notice(text("connecting"));
load("openapi.json", document => { showDocument(document); start(); }, notice); // without it, the examples would lack the key
