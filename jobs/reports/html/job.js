// A job that is opened: its prompt and its attempts, one below the other.
function jobPanel(row, view) {
  const see = `promptmill job show ${row.jobId} --content`;
  const panel = make("div", { class: "job" });
  if (view === null) {
    panel.append(make("p", null, "There was no room for its attempts in this file. See them with ", make("code", null, see)));
    return panel;
  }
  const sample = row.sample ? `, sample ${row.sample}` : "";
  panel.append(make("p", { class: "facts" }, make("code", null, row.jobId), sample, " · the whole record: ", make("code", null, see)));
  if (view.error) panel.append(make("p", { class: "warning" }, `It failed because of us, and is in no rate: ${view.error}`));
  panel.append(folded("Prompt", textOf(view.prompt)));
  view.attempts.forEach((attempt, at) => panel.append(attemptOf(attempt, view.attempts[at - 1])));
  return panel;
}

function attemptOf(attempt, before) {
  const article = make("article", { class: "attempt" });
  article.append(make("h3", null,
    `Attempt ${attempt.number} `, make("span", { class: `verdict ${kindOf(attempt.verdict)}` }, inWords(attempt.verdict)),
  ));
  article.append(make("p", { class: "explanation" }, attempt.explanation));
  article.append(make("p", { class: "facts" }, factsOf(attempt).join(" · ")));
  for (const place of attempt.leaks) article.append(make("p", { class: "warning" }, `What is hidden of its check stands in its ${place}.`));
  const sides = make("div", { class: "sides" }, programOf(attempt, before));
  article.append(sides);
  const results = make("div", { class: "results" });
  if (attempt.stdout) results.append(section("Output", textOf(attempt.stdout)));
  if (attempt.stderr) results.append(section("Errors", textOf(attempt.stderr)));
  if (attempt.cases.length) {
    const title = `Checks: ${attempt.nPassed} of ${attempt.nCases} passed`;
    results.append((attempt.nPassed < attempt.nCases ? section : folded)(title, casesOf(attempt)));
  }
  if (results.childElementCount) sides.append(results);
  if (attempt.feedback) article.append(folded("What the model was told of it", textOf(attempt.feedback)));
  return article;
}

function factsOf(attempt) {
  const facts = [];
  if (attempt.beginsAnew) facts.push("asked anew");
  if (attempt.wasRunAgain) facts.push("run again alone, as it was over its time");
  if (attempt.ended) facts.push(attempt.ended);
  if (attempt.modelSeconds !== null) facts.push(`model ${inSeconds(attempt.modelSeconds)}`);
  if (attempt.wallSeconds !== null) facts.push(`program ${inSeconds(attempt.wallSeconds)}, ${inSeconds(attempt.cpuSeconds)} of CPU`);
  if (attempt.memoryKib !== null) facts.push(`${(attempt.memoryKib / 1024).toFixed(1)} MiB`);
  if (attempt.tokens !== null) facts.push(counted(attempt.tokens, "token"));
  if (attempt.costUsd !== null) facts.push(inDollars(attempt.costUsd));
  if (attempt.sameProcess) facts.push("its tests ran in its own process, which it could cheat");
  return facts;
}

function programOf(attempt, before) {
  if (attempt.code === null) {
    return section("The reply, in which there is no program", attempt.reply ? textOf(attempt.reply) : make("p", null, "It is empty."));
  }
  const whole = () => textOf(attempt.code, "program");
  if (!before?.code) return section(`Program, ${attempt.language}`, whole());
  if (before.code.text === attempt.code.text) return section("The same program again", make("p", null, "Nothing has changed since the attempt before."));
  const title = make("h4", null, "Program");
  const place = make("div", null, diffOf(before.code.text, attempt.code.text));
  const choices = ["Changes", "Whole"].map((name, at) => {
    const button = make("button", { type: "button", "aria-pressed": String(at === 0) }, name);
    button.addEventListener("click", () => {
      choices.forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
      place.replaceChildren(at === 0 ? diffOf(before.code.text, attempt.code.text) : whole());
    });
    return button;
  });
  const group = make("span", { class: "choice", role: "group", "aria-label": `Program of attempt ${attempt.number}` }, ...choices);
  return make("section", null, make("div", { class: "title" }, title, group), place);
}

function casesOf(attempt) {
  const body = make("tbody");
  for (const each of attempt.cases) {
    const [expected, actual] = [each.expected, each.actual].map((text) => make("td", null, text === null ? "" : make("code", null, text)));
    body.append(make("tr", null,
      make("td", null, each.check === null ? "" : `${each.check}. `, make("code", null, each.name)), make("td", null, make("span", { class: `verdict ${kindOf(each.verdict)}` }, inWords(each.verdict))), expected, actual,
    ));
  }
  const heads = ["check", "verdict", "expected", "came out"].map((head) => make("th", { scope: "col" }, head));
  const place = make("div", { class: "scrolls", tabindex: 0 }, make("table", { class: "cases" }, make("thead", null, make("tr", null, ...heads)), body));
  const left = attempt.nCases - attempt.cases.length;
  return left ? make("div", null, place, make("p", { class: "cut" }, `${counted(left, "more check")} in the record.`)) : place;
}

function textOf(cut, kind = "") {
  const pre = make("pre", { class: kind || null, tabindex: 0 }, cut.text);
  const notes = [];
  if (cut.characters !== null) notes.push(`cut: it has ${counted(cut.characters, "character")}`);
  if (cut.bytes !== null) notes.push(`the program wrote ${counted(cut.bytes, "byte")} until it was cut off`);
  return notes.length ? make("div", null, pre, make("p", { class: "cut" }, `${notes.join("; ")}.`)) : pre;
}

function section(title, content) {
  return make("section", null, make("h4", null, title), content);
}

function folded(title, content) {
  return make("details", null, make("summary", null, title), content);
}
