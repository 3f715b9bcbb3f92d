// The files that the last scan left out: each with its reason, and its picture where there is one to be seen.
"use strict";

lookalike.admin.part("quarantine", (element) => {
  const { create, count, sentence } = lookalike.util;
  const { ask, attempt } = lookalike.admin;
  const AT_ONCE = 24;
  const tiles = element.querySelector(".tiles");
  const more = element.querySelector(".more");

  async function add() {
    const { total, files } = await ask(`quarantine?offset=${tiles.children.length}&limit=${AT_ONCE}`);
    element.querySelector(".about").textContent = total ? `${count(total, "file")} could not be used at the last scan.` : "Every file could be used at the last scan.";
    tiles.append(...files.map(tile));
    more.hidden = tiles.children.length >= total;
  }

  function tile({ row, path, code, reason }) {
    const made = create("li");
    const frame = create("span", "frame");
    const image = create("img");
    image.alt = "";
    image.loading = "lazy";
    image.addEventListener("load", () => image.classList.add("there"));
    image.addEventListener("error", () => frame.classList.add("missing"));
    image.src = `api/admin/quarantine/${row}/picture`;
    frame.append(image);
    const words = create("div", "words");
    words.append(create("p", "name", path || "(no path)"), create("p", "facts", sentence(reason)), create("p", "code", code));
    made.append(frame, words);
    return made;
  }

  more.addEventListener("click", () => attempt(element, add));

  return () => {
    tiles.replaceChildren();
    return add();
  };
});
