// Beside the answers: what counts, filters made from the catalog's own columns, what is liked and disliked, and the
// searches before. A change asks again at once.
"use strict";

lookalike.refine = (element) => {
  const { create, button, iconButton, picture, count } = lookalike.util;
  const MOST_AT_FIRST = 8; // choices of a column before the rest is asked for
  const OPEN_AT_FIRST = 4; // columns
  const MOST_EARLIER = 12;

  const find = (selector) => element.querySelector(selector);
  const panel = find(".refine");
  const colour = find("#colour");
  const hide = find("#hide");
  const controls = new Map(); // column → how to show a filter in its control
  const earlier = []; // {question, picture, words}, the newest first
  let question = null;

  colour.addEventListener("input", () => lookalike.askSoon({ colour: Number(colour.value) }));
  hide.addEventListener("change", () => lookalike.ask({ hide: hide.checked }));
  find(".clear").addEventListener("click", () => {
    lookalike.ask({ filters: {} });
    colour.focus();
  });

  /** Read what the catalog can be narrowed down by. */
  async function load() {
    const found = await fetch("api/facets")
      .then((reply) => (reply.ok ? reply.json() : { facets: [] }))
      .catch(() => ({ facets: [] }));
    controls.clear();
    find(".facets").replaceChildren(...found.facets.map(group));
    if (question) showFilters();
  }

  function set(column, filter, soon = false) {
    const { [column]: _, ...others } = (lookalike.asked() ?? question).filters;
    const filters = filter ? { ...others, [column]: filter } : others;
    (soon ? lookalike.askSoon : lookalike.ask)({ filters, k: 12 });
  }

  function group(facet, place) {
    const box = create("details", "facet");
    box.open = place < OPEN_AT_FIRST;
    const head = create("summary", "", facet.column);
    const make = { choices, entries: choices, truth, numbers: bounds, dates: bounds, text };
    box.append(head, make[facet.kind](facet));
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
        set(column, values.length ? { kind, values } : null);
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
      tick.addEventListener("change", () => set(column, value === null ? null : { kind: "truth", value }));
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
        const filter = { kind, least: value(from), most: value(to) };
        set(column, filter.least === null && filter.most === null ? null : filter, true);
      });
      label.append(create("span", "", words), field);
      row.append(label);
      return field;
    });
    controls.set(column, (filter) => {
      for (const [field, value] of [[from, filter?.least], [to, filter?.most]]) if (document.activeElement !== field) field.value = value ?? "";
    });
    return row;
  }

  function text({ column }) {
    const label = create("label", "contains");
    const field = create("input");
    field.type = "search";
    field.placeholder = "contains";
    field.setAttribute("aria-label", `${column} contains`);
    field.addEventListener("input", () => set(column, field.value.trim() ? { kind: "text", text: field.value.trim() } : null, true));
    label.append(field);
    controls.set(column, (filter) => {
      if (document.activeElement !== field) field.value = filter?.text ?? "";
    });
    return label;
  }

  function showFilters() {
    for (const [column, control] of controls) control(question.filters[column]);
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
        row.append(create("span", "words", `${words} ${name}`), iconButton("remove", "cross", `No longer: ${words} ${name}`, () => lookalike.steer(field, { item_id: one.id })));
        return row;
      }),
    );
    find(".steers").hidden = !rows.length;
    find(".steers").replaceChildren(...rows);
  }

  /** Put a query among the searches of this session; its refinements replace it there. */
  function note(words, image) {
    const same = (one) => one.question.photos.join() === question.photos.join() && one.question.product === question.product;
    const place = earlier.findIndex(same);
    if (place >= 0) earlier.splice(place, 1);
    earlier.unshift({ question, words, image });
    earlier.length = Math.min(earlier.length, MOST_EARLIER);
    const rows = earlier.slice(1).map((one) => {
      const row = create("li");
      const again = button("again", "", () => lookalike.ask(one.question, { keep: false }));
      const picture = create("img");
      picture.src = one.image;
      picture.alt = one.words;
      again.title = one.words;
      again.append(picture);
      row.append(again);
      return row;
    });
    find(".earlier").hidden = !rows.length;
    find(".earlier ul").replaceChildren(...rows);
  }

  load();
  lookalike.arrived("refine", {
    load,
    note: (asked, words, image) => {
      question = asked;
      note(words, image);
    },
    show(asked) {
      question = asked;
      panel.hidden = false;
      if (document.activeElement !== colour) colour.value = asked.colour;
      colour.setAttribute("aria-valuetext", `${Math.round(100 * asked.colour)} percent colour`);
      hide.checked = asked.hide;
      showFilters();
      showSteers();
    },
  });
};

/** The line at the foot of the page, and the link for whoever runs it. */
lookalike.status = (element, props, watch) => {
  const { count } = lookalike.util;
  const line = element.querySelector("p");
  function draw() {
    const value = props.value;
    if (!value) return;
    lookalike.sawVersion(value.version);
    line.textContent = `${count(value.products, "product")} · version ${value.version}`;
    document.querySelector(".to-admin").hidden = !value.admin;
  }
  watch("value", draw);
  draw();
};
