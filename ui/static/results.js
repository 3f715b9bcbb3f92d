// The answer: a grid of products, what is said when nothing is close, and what can be done with those that are shown.
"use strict";

lookalike.results = (element, props, watch) => {
  const { create, button, iconButton, picture, title, facts, count } = lookalike.util;
  const STEPS = [12, 24, 48];
  const NO_MATCH = "no close match";

  const find = (selector) => element.querySelector(selector);
  const heading = find("h1");
  const grid = find(".grid");
  const note = find(".note");
  const advice = find(".advice");
  const showMore = find(".show-more");
  const dialog = lookalike.product(find(".product"));
  const ticked = new Map(); // item_id → match
  let matches = [];
  let question = null;
  let refocus = false; // whether the focus was on something that the answer replaces

  find(".to-filters").addEventListener("click", () => {
    const refine = document.querySelector("#refine .refine");
    refine.scrollIntoView({ behavior: lookalike.util.calm() ? "auto" : "smooth" });
    refine.querySelector("input").focus({ preventScroll: true });
  });
  find(".export").addEventListener("click", () => lookalike.csv.save(ticked.size ? [...ticked.values()] : shown()));
  find(".copy").addEventListener("click", async () => {
    find(".copy").textContent = (await copied([...ticked.keys()].join("\n"))) ? "Copied" : "Not allowed here";
    setTimeout(tools, 1500);
  });
  find(".untick").addEventListener("click", () => {
    ticked.clear();
    for (const box of grid.querySelectorAll(".tick input")) box.checked = false;
    tools();
    heading.focus({ preventScroll: true });
  });
  showMore.addEventListener("click", () => lookalike.ask({ k: STEPS.find((step) => step > question.k) }));

  /** Whether a text is on the clipboard now; a page that did not come over https may have to do it the old way. */
  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = create("textarea", "unseen");
      area.value = text;
      element.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      find(".copy").focus();
      return done;
    }
  }

  const shown = () => (question.all ? matches : matches.filter((match) => match.verdict !== NO_MATCH));

  function clear() {
    find(".answer").hidden = true;
    grid.replaceChildren();
    ticked.clear();
    matches = [];
    dialog.close();
  }

  function wait(keep) {
    find(".answer").hidden = false;
    dialog.close();
    if (!keep) {
      ticked.clear();
      matches = [];
    }
    if (keep && grid.children.length) return; // the products before stay, dimmed
    refocus = element.contains(document.activeElement);
    heading.textContent = "Searching…";
    note.hidden = advice.hidden = showMore.hidden = find(".tools").hidden = true;
    grid.replaceChildren(...Array.from({ length: 12 }, blank));
  }

  /** Show an answer; returns what its heading says. */
  function draw(answer, asked, product) {
    const more = question && asked.k > question.k && grid.contains(grid.querySelector(".card"));
    const focused = document.activeElement;
    refocus ||= element.contains(focused);
    question = asked;
    matches = answer.matches;
    const list = shown();
    const left = matches.length - list.length;
    const far = matches.filter((match) => match.verdict === NO_MATCH).length;
    heading.textContent = describe(list.length, far, product);
    advise(list.length, left);
    note.hidden = !(far && list.length);
    if (question.all) note.replaceChildren(`${far} of them ${far === 1 ? "is" : "are"} no close match. `, button("quiet", "Hide them", () => lookalike.ask({ all: false })));
    else note.replaceChildren(`${count(left, "more product")} ${left === 1 ? "is" : "are"} no close match. `, anyway());
    const first = more ? grid.querySelectorAll(".card").length : 0;
    const shape = commonShape(list);
    grid.style.setProperty("--shape", shape);
    const cards = list.map((match) => card(match, shape));
    grid.replaceChildren(...cards);
    if (first && cards[first]) cards[first].querySelector(".open").focus({ preventScroll: true });
    showMore.hidden = matches.length < question.k || !STEPS.some((step) => step > question.k) || left > 0;
    for (const id of [...ticked.keys()]) {
      const match = list.find((each) => each.item_id === id);
      if (match) ticked.set(id, match);
      else ticked.delete(id);
    }
    tools();
    if (refocus && (document.activeElement === document.body || document.activeElement === null)) heading.focus({ preventScroll: true });
    refocus = false;
    return heading.textContent;
  }

  const anyway = () => button("quiet", "Show them anyway", () => lookalike.ask({ all: true }));

  /** What can be done where nothing is close, or nothing is left. */
  function advise(found, left) {
    advice.hidden = found > 0;
    if (found) return;
    const ways = create("ul");
    const way = (text) => ways.append(create("li", "", text));
    const filtered = Object.keys(question.filters).length > 0;
    if (filtered) way("Take filters away: they are applied before the search.");
    if (left) {
      if (question.photos.length === 1 && !question.crop) way("Crop: draw a box around the one thing that counts.");
      if (question.photos.length) way("Try another photo of it, from the front and in even light.");
      way("Move the slider: towards shape where the colour may differ, towards colour where the shape may.");
    }
    const moves = create("div", "moves");
    if (filtered) moves.append(button("secondary", "Clear filters", () => lookalike.ask({ filters: {} })));
    if (left) moves.append(anyway());
    advice.replaceChildren(create("p", "", left ? "The products that come nearest differ too much to be called similar." : filtered ? "No product meets these filters." : ""), ways, moves);
  }

  function card(match, shape) {
    const { main, place, isFile } = title(match);
    const item = create("li", "card");
    const open = button("open", "", () => dialog.open(match));
    const frame = picture(match.media, "(min-width: 1100px) 270px, (min-width: 700px) 31vw, 46vw");
    const cut = 1 - Math.min(shape / ratio(match), ratio(match) / shape);
    if (cut > 0.34) frame.firstChild.classList.add("whole"); // rather bands beside it than a product cut in two
    const likeness = create("span", "likeness");
    const bar = create("span", "bar");
    bar.style.setProperty("--share", Math.max(0, match.similarity).toFixed(3));
    const figure = create("span", "figure", match.similarity.toFixed(2));
    figure.title = "Similarity: 1.00 is the same picture";
    if (match.verdict) likeness.append(create("span", `verdict ${match.verdict.replaceAll(" ", "-")}`, match.verdict), figure);
    else likeness.append(create("span", "unseen", "similarity"), figure, bar);
    open.append(frame, create("span", isFile ? "title file" : "title", main), create("span", "facts", facts(match) || place), likeness);
    const tick = create("label", "tick");
    const box = create("input");
    box.type = "checkbox";
    box.checked = ticked.has(match.item_id);
    box.setAttribute("aria-label", `Tick ${main}`);
    box.addEventListener("change", () => {
      if (box.checked) ticked.set(match.item_id, match);
      else ticked.delete(match.item_id);
      tools();
    });
    tick.append(box);
    const steers = create("span", "steer");
    for (const [field, icon, words] of [["liked", "plus", "More like this"], ["disliked", "minus", "Less like this"]]) {
      const steer = iconButton("round", icon, `${words}: ${main}`, () => lookalike.steer(field, match));
      steer.setAttribute("aria-pressed", String(question[field].some((one) => one.id === match.item_id)));
      steers.append(steer);
    }
    item.append(open, tick, steers);
    return item;
  }

  function tools() {
    find(".tools").hidden = !matches.length;
    find(".export").hidden = !shown().length;
    find(".copy").hidden = find(".untick").hidden = !ticked.size;
    find(".copy").textContent = "Copy ids";
    find(".export").textContent = ticked.size ? `Export ${ticked.size} as CSV` : "Export CSV";
  }

  function describe(found, far, product) {
    if (!found) return matches.length ? "No close match" : "Nothing found";
    if (question.all && far === found) return `${count(found, "product")}, none a close match`;
    const what = question.crop ? "this part" : question.photos.length > 1 ? "your photos" : question.photos.length ? "your photo" : product ? "this one" : "what you like";
    return `${count(found, "product")} like ${what}`;
  }

  /** The frame for a grid: the plain shape nearest to what most of its photos have, as width by height. */
  function commonShape(list) {
    const sorted = list.map(ratio).sort((a, b) => a - b);
    const middle = sorted[sorted.length >> 1] ?? 1;
    const distance = (shape) => Math.abs(Math.log(shape / middle));
    return [3 / 4, 4 / 5, 1, 4 / 3].reduce((best, shape) => (distance(shape) < distance(best) ? shape : best));
  }

  function blank() {
    const item = create("li", "blank");
    item.append(create("span", "frame"), create("span", "line"), create("span", "line short"));
    return item;
  }

  const ratio = (item) => item.width / item.height;

  lookalike.arrived("results", {
    wait,
    clear,
    draw,

    /** The search failed, by no fault of a photo's. */
    fail(problem, again) {
      heading.textContent = "That did not work";
      note.hidden = showMore.hidden = find(".tools").hidden = true;
      advice.hidden = false;
      const text = create("p", "problem", problem);
      text.setAttribute("role", "alert");
      const moves = create("div", "moves");
      moves.append(button("secondary", "Try again", again));
      if (Object.keys(lookalike.asked().filters).length) moves.append(button("quiet", "Clear filters", () => lookalike.ask({ filters: {} })));
      advice.replaceChildren(text, moves);
      grid.replaceChildren();
    },
  });
  watch("value", () => lookalike.answered(props.value));
};
