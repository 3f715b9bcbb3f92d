// Two versions' answers to one question, side by side: a product of the catalog, or a photo.
"use strict";

lookalike.admin.part("compare", (element) => {
  const { create, picture, title, facts } = lookalike.util;
  const { ask, attempt } = lookalike.admin;
  const find = (selector) => element.querySelector(selector);
  const [first, second] = element.querySelectorAll("select");
  const input = find("input[type=file]");
  const answer = find(".answer-of-two");
  let asked = null; // { product } or { photo }: asked again when another version is chosen
  let address = "";
  let newest = 0;

  // Unless one chooses otherwise: the version in use, and the newest before it with another encoder.
  document.addEventListener("versions", ({ detail }) => {
    const versions = detail.versions.filter((version) => !version.problem); // newest first
    const used = versions.findIndex((version) => version.in_use);
    const earlier = versions.slice(used + 1);
    const before = earlier.find((version) => version.encoder_sha256 !== versions[used]?.encoder_sha256) ?? earlier[0] ?? versions[0];
    choose(first, versions, before?.id);
    choose(second, versions, detail.in_use);
  });

  function choose(select, versions, otherwise) {
    const chosen = versions.some((version) => version.id === select.value) ? select.value : otherwise;
    select.replaceChildren(...versions.map((version) => new Option(`${version.id} · ${version.encoder}${version.in_use ? " · in use" : ""}`, version.id)));
    select.value = chosen ?? "";
  }

  async function compare() {
    const request = (newest += 1);
    const versions = [first.value, second.value];
    element.dataset.busy = "";
    await attempt(element, async () => {
      const found = await ask("compare", { method: "POST", ...(asked.photo ? { form: form(versions) } : { json: { versions, product: asked.product } }) });
      if (request === newest) show(found);
    });
    if (request === newest) delete element.dataset.busy;
  }

  function form(versions) {
    const made = new FormData();
    for (const version of versions) made.append("versions", version);
    made.append("photo", asked.photo);
    return made;
  }

  function show(found) {
    const same = found.first.matches[0]?.match.item_id === found.second.matches[0]?.match.item_id;
    const most = Math.max(found.first.matches.length, found.second.matches.length);
    find(".asked-of-two .place").replaceChildren(...shown(found.product));
    find(".asked-of-two p").textContent = `${found.product ? title(found.product).main : found.query}: ${found.in_both} of ${most} products in both answers, ${same ? "the same one first" : "another one first"}.`;
    const lists = [found.first, found.second].map((side, place) => [side, place === 1]);
    for (const [place, column] of [...element.querySelectorAll(".columns section")].entries()) {
      const [side, isAfter] = lists[place];
      column.querySelector("h3").textContent = `${isAfter ? "After" : "Before"}: ${side.version}`;
      column.querySelector("ol").replaceChildren(...side.matches.map((placed) => card(placed, isAfter)));
    }
    answer.hidden = false;
  }

  function shown(product) {
    if (product) return [picture(product.media, "72px")];
    if (!asked.photo) return [];
    const frame = create("span", "frame");
    const image = create("img", "there");
    image.alt = "";
    image.src = address;
    frame.append(image);
    return [frame];
  }

  function card({ match, other_rank: other, has_picture: hasPicture }, isAfter) {
    const made = create("li");
    const words = create("div", "words");
    const name = create("p", "name", `${match.rank}. ${title(match).main}`);
    const line = create("p", "facts", facts(match) || match.item_id);
    words.append(name, line, place(match.rank, other, isAfter));
    made.append(hasPicture ? picture(match.media, "72px") : create("span", "frame missing"), words);
    return made;
  }

  /** What has become of a product: in the newer answer how far it moved, in the older one where it went. */
  function place(rank, other, isAfter) {
    if (other === null) return create("p", "move none", isAfter ? "new" : "dropped out");
    if (other === rank) return create("p", "move", "same place");
    const better = isAfter ? other > rank : other < rank;
    return create("p", better ? "move up" : "move down", isAfter ? `${better ? "▲ up" : "▼ down"} ${Math.abs(other - rank)}` : `now ${other}`);
  }

  lookalike.searchProduct = (product) => {
    asked = { product };
    compare();
  };
  lookalike.lookup(find(".lookup"));
  find(".choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (!input.files.length) return;
    asked = { photo: input.files[0] };
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(asked.photo);
    input.value = "";
    compare();
  });
  for (const select of [first, second]) select.addEventListener("change", () => asked && compare());
  find("form").addEventListener("submit", (event) => event.preventDefault());

  return async () => {};
});
