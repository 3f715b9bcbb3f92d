// A product opened: its large photo, all its photos, its columns and its link, and the search that begins with it.
"use strict";

lookalike.product = (dialog) => {
  const { create, button, iconButton, picture, title, cell, isLink, fetched } = lookalike.util;
  let opened = null;

  let pressedBeside = false;
  const isBeside = (event) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    return event.target === dialog && (event.clientX < left || event.clientX > right || event.clientY < top || event.clientY > bottom);
  };
  dialog.addEventListener("pointerdown", (event) => (pressedBeside = isBeside(event)));
  dialog.addEventListener("click", (event) => {
    if (pressedBeside && isBeside(event)) dialog.close();
  });
  dialog.addEventListener("close", () => (opened = null));

  async function open(match) {
    opened = match.item_id;
    draw(match, [match]);
    dialog.showModal();
    const found = await fetched(`api/products/${encodeURIComponent(match.item_id)}`);
    if (found && found.photos.length > 1 && opened === match.item_id) draw(match, found.photos);
  }

  function draw(match, photos) {
    const { main } = title(match);
    const large = create("div", "large");
    const begin = photos.find((photo) => photo.image_id === match.image_id) ?? photos[0];
    const others = create("ul", "photos");
    const show = (photo) => {
      large.replaceChildren(picture(photo.media, "(min-width: 820px) 52vw, 92vw", main));
      large.style.setProperty("--shape", (photo.width / photo.height).toFixed(4));
      for (const [place, row] of [...others.children].entries()) row.firstChild.setAttribute("aria-pressed", String(photos[place] === photo));
    };
    for (const [place, photo] of photos.entries()) {
      const one = button("photo", "", () => show(photo));
      one.setAttribute("aria-label", `Photo ${place + 1} of ${photos.length}`);
      one.append(picture(photo.media, "72px"));
      const row = create("li");
      row.append(one);
      others.append(row);
    }
    others.hidden = photos.length < 2;
    show(begin);
    const told = create("div", "told");
    const heading = create("h2", "", main);
    heading.tabIndex = -1;
    told.append(heading, likeness(match), columns(match), moves(match));
    const shut = iconButton("round shut", "cross", "Close", () => dialog.close());
    const seen = create("div", "seen");
    seen.append(large, others);
    const focusWas = dialog.open && dialog.contains(document.activeElement);
    dialog.replaceChildren(shut, seen, told);
    if (focusWas) heading.focus({ preventScroll: true });
  }

  function likeness(match) {
    const said = match.verdict ? `${match.verdict}, similarity ${match.similarity.toFixed(2)}` : `Similarity ${match.similarity.toFixed(2)}`;
    return create("p", "likeness", said[0].toUpperCase() + said.slice(1));
  }

  /** What the catalog says of it; a link is one only where it leads to a web page. */
  function columns(match) {
    const table = create("dl", "columns");
    const own = Object.entries(match.columns).filter(([name, value]) => name !== "title" && value !== null && value !== "");
    for (const [name, value] of [["id", match.item_id], ...own]) {
      const held = create("dd");
      if (isLink(value)) {
        const link = create("a", "", value);
        Object.assign(link, { href: value, target: "_blank", rel: "noopener noreferrer" });
        held.append(link);
      } else held.textContent = cell(name, value);
      table.append(create("dt", "", name), held);
    }
    return table;
  }

  function moves(match) {
    const row = create("div", "moves");
    row.append(
      button("primary", "More like this", () => {
        dialog.close();
        lookalike.searchProduct(match.item_id);
      }),
    );
    return row;
  }

  return { open, close: () => dialog.close() };
};
