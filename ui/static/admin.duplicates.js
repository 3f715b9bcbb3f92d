// Photos that show one picture, as the newest look for them found: group by group.
"use strict";

lookalike.admin.part("duplicates", (element) => {
  const { create, picture, count } = lookalike.util;
  const { ask, attempt, moment } = lookalike.admin;
  const AT_ONCE = 10;
  const list = element.querySelector(".list");
  const more = element.querySelector(".more");

  async function add() {
    const { looked, total, groups } = await ask(`duplicates?offset=${list.children.length}&limit=${AT_ONCE}`);
    element.querySelector(".about").textContent = about(looked, total);
    list.append(...groups.map(shown));
    more.hidden = list.children.length >= total;
  }

  function about(looked, total) {
    if (!looked) return "The same photo twice, whole, cropped, mirrored or marked: looked for in the version in use, pixel by pixel.";
    return `${total ? count(total, "group") : "None"} found ${moment(looked.started)}. Nothing is removed: that is for you to decide.`;
  }

  function shown(group) {
    const made = create("section", "group");
    const members = create("ul", "tiles");
    members.append(...group.members.map(tile));
    made.append(create("h3", "", `${group.kind === "identical" ? "Identical" : "Near-identical"}: ${count(group.members.length, "photo")}`), members);
    return made;
  }

  function tile({ item_id: item, path, relation, width, height, media }) {
    const made = create("li");
    const words = create("div", "words");
    words.append(create("p", "name", path));
    if (item !== path) words.append(create("p", "facts", item));
    words.append(create("p", "code", `${relation} · ${width} × ${height}`));
    made.append(media ? picture(media, "160px") : create("span", "frame missing"), words);
    return made;
  }

  more.addEventListener("click", () => attempt(element, add));

  return () => {
    list.replaceChildren();
    return add();
  };
});
