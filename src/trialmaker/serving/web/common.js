"use strict";
// What both pages share: texts in the browser's language, the access key, and calls of the service.
const texts = JSON.parse(document.getElementById("texts").textContent);
const language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
const byId = id => document.getElementById(id);

function text(key, values = {}) {
  return texts[key][language].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function translatePage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
}

class ServiceError extends Error {
  constructor(status, message, challenge) {
    super(message);
    Object.assign(this, { status, challenge });
  }
}

const SIGNATURE = "WS-HMAC-SHA1"; // the challenge of a service that takes no bare key: no browser lets a page set Date
const MESSAGES = {
  401: "key_wrong", 408: "error_slow", 413: "error_large", 429: "error_busy", 502: "error_gone", 503: "error_busy",
  504: "error_slow",
};

async function send(address, options = {}) {
  const key = sessionStorage.getItem("key");
  const headers = key ? { ...options.headers, Authorization: key } : options.headers;
  try {
    return await fetch(address, { ...options, headers });
  } catch {
    throw new ServiceError(0, text("error_gone"));
  }
}

async function call(address, options) {
  const response = await send(address, options);
  const answer = await response.json().catch(() => null); // a gateway may answer with HTML
  if (response.ok && answer) return { ...answer, served: response.headers.get("model-version") };
  const error = answer?.error ?? `HTTP ${response.status}`, message = text(MESSAGES[response.status] ?? "error_other", { error });
  throw new ServiceError(response.status, message, response.headers.get("www-authenticate"));
}

let isKeyNew = false; // given by the form that has just vanished, and the focus with it

function moveFocusFromKey() {
  if (isKeyNew && document.activeElement === document.body) document.querySelector("main :is([tabindex], input)").focus();
  isKeyNew = false;
}

// Calls `ready` with the answer of an address as soon as there is one; tells `notice` why there is none yet.
async function load(address, ready, notice) {
  try {
    ready(await call(address));
    moveFocusFromKey();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    if (error.challenge === SIGNATURE) return notice(text("key_signature"));
    if (error.status === 401) return askForKey(notice, sessionStorage.getItem("key") ? "key_wrong" : "key_needed");
    notice(error.status === 503 ? text("loading") : error.message);
    setTimeout(() => load(address, ready, notice), error.status === 503 ? 500 : 2000);
  }
}

function askForKey(notice, reason) {
  notice(text(reason));
  byId("key").hidden = false;
  byId("access").focus();
}

function listenForKey(onKey) {
  byId("key").addEventListener("submit", event => {
    event.preventDefault();
    sessionStorage.setItem("key", byId("access").value.trim().replace(/[^\x20-\x7e]/g, "?")); // all that a header can hold
    byId("access").blur();
    byId("key").hidden = isKeyNew = true;
    onKey();
  });
}
