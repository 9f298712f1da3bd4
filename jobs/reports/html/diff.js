// Lines of two programs beside each other: the longest common subsequence, after what both begin and end with.
const MOST_CELLS = 4_000_000;
const CONTEXT = 3;

function changes(before, after) {
  const a = before.split("\n"), b = after.split("\n");
  let start = 0, end = 0;
  while (start < Math.min(a.length, b.length) && a[start] === b[start]) start++;
  while (end < Math.min(a.length, b.length) - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const kept = (from, to) => a.slice(from, to).map((text) => ({ sign: " ", text }));
  const middle = between(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return [...kept(0, start), ...middle, ...kept(a.length - end, a.length)];
}

function between(a, b) {
  const n = a.length, m = b.length;
  const gone = a.map((text) => ({ sign: "-", text })), come = b.map((text) => ({ sign: "+", text }));
  if ((n + 1) * (m + 1) > MOST_CELLS) return [...gone, ...come];
  const width = m + 1, common = new Uint16Array((n + 1) * width);
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      common[i * width + j] = a[i] === b[j]
        ? common[(i + 1) * width + j + 1] + 1
        : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const lines = [];
  let i = 0, j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && a[i] === b[j]) lines.push({ sign: " ", text: a[i++] }), j++;
    else if (i < n && (j === m || common[(i + 1) * width + j] >= common[i * width + j + 1])) lines.push(gone[i++]);
    else lines.push(come[j++]);
  }
  return lines;
}

// Of a line that was replaced by one much like it, only the part that differs is marked.
function mark(lines) {
  for (let at = 0; at < lines.length; at++) {
    let minus = at, plus = at;
    while (lines[plus]?.sign === "-") plus++;
    const n = plus - minus;
    for (let i = 0; i < n; i++) {
      const old = lines[minus + i], young = lines[plus + i];
      if (young?.sign !== "+") break;
      const shortest = Math.min(old.text.length, young.text.length);
      let head = 0, tail = 0;
      while (head < shortest && old.text[head] === young.text[head]) head++;
      while (tail < shortest - head && old.text.at(-1 - tail) === young.text.at(-1 - tail)) tail++;
      if (head + tail < shortest / 2) continue;
      for (const line of [old, young]) line.part = [head, line.text.length - tail];
    }
    at = Math.max(at, plus);
  }
  return lines;
}

function isNear(lines, at) {
  return lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some((line) => line.sign !== " ");
}

function diffOf(before, after) {
  const lines = mark(changes(before, after));
  const place = make("div");
  let hidden = 0, number = 0;
  const tell = () => {
    if (hidden) place.append(make("span", { class: "fold" }, `⋯ ${counted(hidden, "line")} unchanged\n`));
    hidden = 0;
  };
  lines.forEach((line, at) => {
    if (line.sign !== "-") number++;
    if (!isNear(lines, at)) return void hidden++;
    tell();
    place.append(lineOf(line, number));
  });
  tell();
  return make("pre", { class: "diff", tabindex: 0 }, place);
}

function lineOf(line, number) {
  const name = { "-": "del", "+": "ins", " ": "span" }[line.sign];
  const gutter = make("span", { class: "gutter", "data-number": line.sign === "-" ? "" : number }, line.sign === "-" ? "−" : line.sign);
  const [from, to] = line.part ?? [0, 0];
  const parts = [line.text.slice(0, from), from < to ? make("mark", null, line.text.slice(from, to)) : "", line.text.slice(to)];
  return make(name, { class: "line" }, gutter, ...parts, "\n");
}
