function choices(rows) {
  const ends = new Map(), attempts = new Map();
  for (const row of rows) {
    ends.set(row.verdict, (ends.get(row.verdict) ?? 0) + 1);
    if (row.solvedAt !== null) attempts.set(row.solvedAt, (attempts.get(row.solvedAt) ?? 0) + 1);
  }
  const option = (value, words, n) => make("option", { value }, `${words} (${n.toLocaleString("en")})`);
  const nLater = [...attempts].reduce((sum, [at, n]) => sum + (at > 1 ? n : 0), 0);
  const nNever = rows.filter((row) => row.solvedAt === null && row.verdict !== "internal_error").length;
  document.getElementById("verdict").append(...[...ends].sort((a, b) => b[1] - a[1]).map(([verdict, n]) => option(verdict, inWords(verdict), n)));
  document.getElementById("solved").append(
    option("never", "never", nNever), option("later", "after a repair", nLater),
    ...[...attempts].sort((a, b) => a[0] - b[0]).map(([at, n]) => option(at, `at attempt ${at}`, n)),
  );
}

async function start() {
  const rows = await unpacked("rows");
  const jobs = new Jobs(rows);
  choices(rows);
  const form = document.getElementById("filter");
  const again = () => { jobs.shown = PORTION; jobs.show(); };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", again);
  form.addEventListener("reset", () => setTimeout(again));
  document.querySelector("#jobs thead").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) jobs.sortBy(button.dataset.sort, button.closest("th"));
  });
  jobs.body.addEventListener("keydown", (event) => jobs.walk(event));
  jobs.more.addEventListener("click", (event) => {
    const more = event.target.dataset.more;
    if (!more) return;
    jobs.shown = more === "all" ? Infinity : jobs.shown + Number(more);
    jobs.show();
  });
  jobs.show();
}

start().catch((error) => {
  document.getElementById("count").textContent = `The jobs cannot be shown (${error.message}). A browser of 2023 or later can.`;
});
