"use strict";

// What steers or hides text: C0, C1, marks that reorder, and halves of surrogate pairs. Line ends and tabs stay in blocks.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;

const WORDS = {
  accepted: "good", wrong_answer: "wrong", runtime_error: "error", compile_error: "error", internal_error: "ours",
};

function spelled(control) {
  const code = control.codePointAt(0);
  return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

// The only way by which text gets into the page: into text nodes, with controls spelled out.
function write(element, text) {
  let from = 0;
  for (const found of text.matchAll(CONTROLS)) {
    element.append(text.slice(from, found.index));
    const mark = document.createElement("span");
    mark.className = "control";
    mark.textContent = spelled(found[0]);
    element.append(mark);
    from = found.index + found[0].length;
  }
  element.append(text.slice(from));
  return element;
}

function make(name, options, ...content) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(options ?? {})) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  for (const each of content) {
    if (each === null || each === undefined || each === "") continue;
    if (each instanceof Node) element.append(each);
    else write(element, String(each));
  }
  return element;
}

function inWords(verdict) {
  return verdict.replaceAll("_", " ");
}

function kindOf(verdict) {
  return WORDS[verdict] ?? "limit";
}

function counted(n, thing) {
  return `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;
}

function inSeconds(seconds) {
  if (seconds < 0.1) return `${Number((1000 * seconds).toPrecision(2))}\u00a0ms`;
  if (seconds < 120) return `${seconds.toFixed(2)}\u00a0s`;
  return `${(seconds / 60).toFixed(1)}\u00a0min`;
}

function inDollars(usd) {
  return usd === 0 ? "$0" : `$${usd.toFixed(usd < 0.01 ? 5 : 4)}`;
}
