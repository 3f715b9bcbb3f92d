// Beside the answers: what counts, filters made from the catalog's own columns, what is liked and disliked, and the
// searches before. A change asks again at once.
"use strict";

lookalike.refine = (element) => {
  const { create, button, iconButton, picture, count, fetched, kept, keep } = lookalike.util;
  const MOST_AT_FIRST = 8; // choices of a column before the rest is asked for
  const OPEN_AT_FIRST = 4; // columns
  const MOST_EARLIER = 12;

  const find = (selector) => element.querySelector(selector);
  const panel = find(".refine");
  const colour = find("#colour");
  const hide = find("#hide");
  const controls = new Map(); // column → how to show a filter in its control
  const { isFilter } = lookalike.question;
  const KEPT = "lookalike-earlier"; // in the browser's memory for this tab
  const earlier = kept(KEPT); // {question, words, media}, the newest first; media: a product's picture
  let question = null;

  colour.addEventListener("input", () => {
    const weight = Number(colour.value);
    lookalike.askSoon("colour", { colour: weight });
  });
  hide.addEventListener("change", () => lookalike.ask({ hide: hide.checked }));
  find(".clear").addEventListener("click", () => {
    lookalike.ask({ filters: {} });
    colour.focus();
  });

  /** Read what the catalog can be narrowed down by. */
  async function load() {
    const found = await fetched("api/facets");
    controls.clear();
    find(".facets").replaceChildren(...(found?.facets ?? []).map(group));
    if (question) showFilters(true);
  }

  /** Filter by a column, or no longer where that would be no filter; `soon`: when the visitor has stopped typing. */
  function set(column, filter, soon = false) {
    const change = ({ filters: { [column]: _, ...others } }) => ({ filters: isFilter(filter) ? { ...others, [column]: filter } : others, k: 12 });
    if (soon) lookalike.askSoon(`filter ${column}`, change);
    else lookalike.ask(change);
  }

  function group(facet, place) {
    const box = create("details", "facet");
    box.open = place < OPEN_AT_FIRST;
    const head = create("summary", "", facet.column);
    const make = { choices, entries: choices, truth, numbers: bounds, dates: bounds, text };
    const control = make[facet.kind](facet);
    const named = create("div");
    named.setAttribute("role", "group");
    named.setAttribute("aria-label", facet.column);
    named.append(control);
    box.append(head, named);
    return box;
  }

  function choices({ column, kind, choices: all }) {
    const list = create("ul", "choices");
    const boxes = new Map();
    for (const [place, { value, products }] of all.entries()) {
      const row = create("li");
      row.hidden = place >= MOST_AT_FIRST;
      const label = create("label");
      const tick = create("input");
      tick.type = "checkbox";
      tick.addEventListener("change", () => {
        const values = [...boxes].filter(([, each]) => each.checked).map(([each]) => each);
        set(column, { kind, values });
      });
      boxes.set(value, tick);
      label.append(tick, create("span", "value", value === "" ? "(empty)" : value), create("span", "count", products.toLocaleString()));
      row.append(label);
      list.append(row);
    }
    controls.set(column, (filter) => {
      for (const [value, tick] of boxes) {
        tick.checked = Boolean(filter?.values?.includes(value));
        if (tick.checked) tick.closest("li").hidden = false;
      }
    });
    if (all.length > MOST_AT_FIRST) {
      const row = create("li");
      row.append(
        button("quiet", `${all.length - MOST_AT_FIRST} more`, () => {
          for (const each of list.children) each.hidden = false;
          row.remove();
          list.children[MOST_AT_FIRST].querySelector("input").focus();
        }),
      );
      list.append(row);
    }
    return list;
  }

  function truth({ column, choices: all }) {
    const row = create("div", "truth");
    const ticks = new Map();
    for (const [words, value] of [["Any", null], ["Yes", true], ["No", false]]) {
      const label = create("label");
      const tick = create("input");
      Object.assign(tick, { type: "radio", name: `filter ${column}` });
      tick.addEventListener("change", () => set(column, { kind: "truth", value }));
      const products = all.find((choice) => choice.value === value)?.products;
      label.append(tick, create("span", "value", words));
      if (products !== undefined) label.append(create("span", "count", products.toLocaleString()));
      ticks.set(value, tick);
      row.append(label);
    }
    controls.set(column, (filter) => (ticks.get(filter?.value ?? null).checked = true));
    return row;
  }

  function bounds({ column, kind, least, most }) {
    const row = create("div", "bounds");
    const dates = kind === "dates";
    const shown = (value) => (dates ? value.slice(0, 10) : value);
    const [from, to] = [["from", least], ["to", most]].map(([words, bound]) => {
      const label = create("label");
      const field = create("input");
      Object.assign(field, dates ? { type: "date", min: shown(least), max: shown(most) } : { type: "number", step: "any", placeholder: String(bound) });
      field.addEventListener("input", () => {
        const value = (each) => (each.value === "" ? null : dates ? each.value : Number(each.value));
        set(column, { kind, least: value(from), most: value(to) }, true);
      });
      label.append(create("span", "", words), field);
      row.append(label);
      return field;
    });
    controls.set(column, (filter, force) => {
      for (const [field, value] of [[from, filter?.least], [to, filter?.most]]) if (force || document.activeElement !== field) field.value = value ?? "";
    });
    return row;
  }

  function text({ column }) {
    const label = create("label", "contains");
    const field = create("input");
    field.type = "search";
    field.placeholder = "contains";
    field.setAttribute("aria-label", `${column} contains`);
    field.addEventListener("input", () => set(column, { kind: "text", text: field.value.trim() }, true));
    label.append(field);
    controls.set(column, (filter, force) => {
      if (force || document.activeElement !== field) field.value = filter?.text ?? "";
    });
    return label;
  }

  function showFilters(force) {
    for (const [column, control] of controls) control(question.filters[column], force);
    const active = Object.keys(question.filters).length;
    find(".clear").hidden = !active;
    find(".clear").textContent = `Clear ${count(active, "filter")}`;
  }

  /** What moves the search, each with the way to take it back. */
  function showSteers() {
    const rows = [["liked", "More like"], ["disliked", "Less like"]].flatMap(([field, words]) =>
      question[field].map((one) => {
        const row = create("li", field);
        const name = one.title ?? one.id;
        if (one.media) row.append(picture(one.media, "40px"));
        const takeBack = () => {
          lookalike.steer(field, { item_id: one.id });
          (find(".steers .remove") ?? colour).focus();
        };
        row.append(create("span", "words", `${words} ${name}`), iconButton("remove", "cross", `No longer: ${words} ${name}`, takeBack));
        return row;
      }),
    );
    find(".steers").hidden = !rows.length;
    find(".steers").replaceChildren(...rows);
  }

  const sameQuery = (one, other) => one.photos.join() === other.photos.join() && one.product === other.product;

  /** Put a query among the searches of this session; its refinements replace it there. */
  function note(words, media) {
    const place = earlier.findIndex((one) => sameQuery(one.question, question));
    if (place >= 0) earlier.splice(place, 1);
    earlier.unshift({ question, words, media });
    earlier.length = Math.min(earlier.length, MOST_EARLIER);
    keep(KEPT, earlier);
    showEarlier();
  }

  /** The searches other than this one whose photos, if any, are still known. */
  function showEarlier() {
    const others = earlier.filter((one) => !sameQuery(one.question, question) && lookalike.knows(one.question.photos));
    const rows = others.map((one) => {
      const row = create("li");
      const again = button("again", "", () => lookalike.ask(one.question, { keep: false }));
      const image = create("img");
      image.src = one.media ?? lookalike.pictureOf(one.question.photos);
      image.alt = one.words;
      again.title = one.words;
      again.append(image);
      row.append(again);
      return row;
    });
    find(".earlier").hidden = !rows.length;
    find(".earlier ul").replaceChildren(...rows);
  }

  load();
  lookalike.arrived("refine", {
    load,
    note: (asked, words, media = null) => {
      question = asked;
      note(words, media);
    },
    show(asked, force = false) {
      question = asked;
      panel.hidden = false;
      if (force || document.activeElement !== colour) colour.value = asked.colour;
      colour.setAttribute("aria-valuetext", `${Math.round(100 * asked.colour)} percent colour`);
      hide.checked = asked.hide;
      showFilters(force);
      showSteers();
      showEarlier();
    },
  });
};
