// The table of jobs: filtered, sorted, and shown in portions, so that ten thousand rows are no burden.
const PORTION = 200;

class Jobs {
  constructor(rows) {
    this.rows = rows.map((row, place) => ({ ...row, index: place, hay: `${row.name} ${row.jobId} ${row.explanation}`.toLowerCase() }));
    this.body = document.querySelector("#jobs tbody");
    this.more = document.getElementById("more");
    this.sorting = { key: "index", down: false };
    this.shown = PORTION;
    const table = document.getElementById("jobs");
    const unknown = [["no-tokens", "tokens"], ["no-cost", "costUsd"]].filter(([, key]) => rows.every((row) => !row[key]));
    table.classList.add(...unknown.map(([name]) => name));
    this.width = 7 - unknown.length;
  }

  matching() {
    const words = document.getElementById("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdict = document.getElementById("verdict").value;
    const solved = document.getElementById("solved").value;
    const fits = {
      "": () => true, never: (row) => row.solvedAt === null && row.verdict !== "internal_error", later: (row) => row.solvedAt > 1,
    }[solved] ?? ((row) => String(row.solvedAt) === solved);
    return this.rows.filter((row) => (!verdict || row.verdict === verdict) && fits(row) && words.every((word) => row.hay.includes(word)));
  }

  sorted(rows) {
    const { key, down } = this.sorting;
    const way = down ? -1 : 1;
    return rows.sort((a, b) => {
      const [x, y] = [a[key], b[key]];
      // What is not known comes last, whichever way.
      if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
      return (x < y ? -way : x > y ? way : 0) || a.index - b.index;
    });
  }

  show() {
    const found = this.sorted(this.matching());
    const portion = found.slice(0, this.shown);
    this.body.replaceChildren(...portion.map((row) => this.rowOf(row)));
    const n = found.length === this.rows.length ? counted(found.length, "job") : `${found.length.toLocaleString("en")} of ${counted(this.rows.length, "job")}`;
    document.getElementById("count").textContent = portion.length < found.length ? `${n}, the first ${portion.length} shown` : n;
    this.more.hidden = portion.length === found.length;
    if (!found.length) this.body.append(make("tr", null, make("td", { colspan: this.width, class: "nothing" }, "No job fits. Show all of them again with the button above.")));
  }

  rowOf(row) {
    const button = make("button", { type: "button", class: "open", "aria-expanded": "false" }, row.name, row.sample ? make("span", { class: "sample" }, ` #${row.sample}`) : "");
    const cells = [
      make("th", { scope: "row" }, button),
      make("td", null, make("span", { class: `verdict ${kindOf(row.verdict)}` }, inWords(row.verdict))),
      make("td", null, courseOf(row)),
      make("td", { class: "number" }, inSeconds(row.seconds)),
      make("td", { class: "number" }, row.tokens === null ? "–" : row.tokens.toLocaleString("en")),
      make("td", { class: "number" }, row.costUsd === null ? "–" : inDollars(row.costUsd)),
      make("td", { class: "last" }, row.verdict === "accepted" ? "" : row.explanation),
    ];
    const line = make("tr", { class: "row" }, ...cells);
    line.addEventListener("click", () => { if (!String(getSelection())) this.toggle(line, row); });
    return line;
  }

  async toggle(line, row) {
    const button = line.querySelector("button");
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) return line.nextElementSibling.remove();
    const cell = make("td", { colspan: this.width });
    line.after(make("tr", { class: "detail" }, cell));
    cell.append(jobPanel(row, await viewOf(row)));
  }

  sortBy(key, head) {
    const name = key === "place" ? "index" : key;
    this.sorting = { key: name, down: this.sorting.key === name && !this.sorting.down };
    for (const each of head.parentElement.children) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", this.sorting.down ? "descending" : "ascending");
    this.show();
  }

  walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches("button.open")) return;
    const buttons = [...this.body.querySelectorAll("button.open")];
    buttons[buttons.indexOf(event.target) + step]?.focus();
    event.preventDefault();
  }
}

function courseOf(row) {
  const cells = row.course.map((verdict) => make("i", { class: kindOf(verdict) }));
  const told = row.course.map((verdict, at) => `attempt ${at + 1} ${inWords(verdict)}`).join(", ");
  return make("span", { class: "course", role: "img", "aria-label": told || "no attempt", title: told }, ...cells);
}
