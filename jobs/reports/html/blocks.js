// Blocks are unpacked when they are wanted. One that is not in the file had no room there.
async function unpacked(name) {
  const element = document.getElementById(`data-${name}`);
  if (element === null) return null;
  const bytes = Uint8Array.from(atob(element.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

async function viewOf(row) {
  const block = await unpacked(row.block);
  return block === null ? null : block[row.place];
}
