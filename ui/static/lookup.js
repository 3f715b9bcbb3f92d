// Look a product up by its title or id: a field whose list offers what the catalog has, as one types.
"use strict";

lookalike.lookup = (place, placeholder = "Find a product by title or id") => {
  const { create, picture, debounce, title, facts, fetched } = lookalike.util;
  const number = document.querySelectorAll(".lookup input").length;
  const field = create("input");
  Object.assign(field, { type: "search", placeholder, autocomplete: "off", spellcheck: false });
  field.setAttribute("aria-label", "Find a product by title or id");
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-expanded", "false");
  field.setAttribute("aria-autocomplete", "list");
  const list = create("ul");
  list.id = `found-${number}`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Products found");
  list.hidden = true;
  field.setAttribute("aria-controls", list.id);
  place.append(field, list);
  let found = [];
  let active = -1;
  let newest = 0;

  async function look() {
    const text = field.value.trim();
    const request = (newest += 1);
    if (!text) {
      offer([], false);
      return;
    }
    const reply = await fetched(`api/products?limit=8&q=${encodeURIComponent(text)}`);
    if (request !== newest || document.activeElement !== field) return;
    offer(reply?.products ?? [], true, reply ? "No product is called that" : "Products cannot be looked up just now");
  }

  function offer(products, open, otherwise = "") {
    found = products;
    active = products.length ? 0 : -1;
    list.replaceChildren(...products.map(option));
    if (open && !products.length) {
      const none = create("li", "none", otherwise);
      none.setAttribute("role", "option");
      none.setAttribute("aria-disabled", "true");
      list.append(none);
    }
    list.hidden = !open;
    field.setAttribute("aria-expanded", String(open));
    mark();
  }

  function option(item, place) {
    const row = create("li", "option");
    row.id = `${list.id}-${place}`;
    row.setAttribute("role", "option");
    const words = create("span", "words");
    words.append(create("span", "main", title(item).main), create("span", "facts", facts(item) || item.item_id));
    row.append(picture(item.media, "48px"), words);
    row.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus until the click
    row.addEventListener("click", () => choose(item));
    return row;
  }

  function mark() {
    for (const [place, row] of [...list.querySelectorAll(".option")].entries()) row.setAttribute("aria-selected", String(place === active));
    if (active >= 0) field.setAttribute("aria-activedescendant", `${list.id}-${active}`);
    else field.removeAttribute("aria-activedescendant");
  }

  function choose(item) {
    field.value = "";
    newest += 1;
    offer([], false);
    field.blur();
    lookalike.searchProduct(item.item_id);
  }

  const lookSoon = debounce(look, 150);
  field.addEventListener("input", lookSoon);
  field.addEventListener("blur", () => {
    lookSoon.cancel();
    offer([], false);
  });
  field.addEventListener("keydown", async (event) => {
    if (event.key === "Escape") offer([], false);
    if (event.key === "Enter") {
      event.preventDefault();
      if (lookSoon.waits()) {
        lookSoon.cancel(); // typed and sent in one go, as a scanner does
        await look();
      }
      if (found[active]) choose(found[active]);
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) {
      event.preventDefault();
      active = (active + step + found.length) % found.length;
      mark();
    }
  });
};
