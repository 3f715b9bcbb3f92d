// The training runs: how each stands, its curves, and the pictures that its evaluation left.
"use strict";

lookalike.admin.part("runs", (element) => {
  const { create, count } = lookalike.util;
  const { ask, attempt, described, short } = lookalike.admin;
  const PICTURES = { "answers.png": "Queries and their nearest photos", "confusion.png": "Labels that are taken for each other" };
  const [WIDTH, HEIGHT] = [300, 100];
  const list = element.querySelector(".list");

  async function read() {
    const runs = await ask("runs");
    const open = new Set([...list.querySelectorAll("details[open]")].map((details) => details.dataset.name));
    element.querySelector(".none").hidden = runs.length > 0;
    list.replaceChildren(...runs.map(shown));
    for (const details of list.children) details.open = open.has(details.dataset.name);
  }

  function shown(run) {
    const details = create("details");
    const summary = create("summary");
    const preset = run.settings.preset ? ` · ${run.settings.preset}` : "";
    const loss = run.figures.loss === undefined ? "" : ` · loss ${short(run.figures.loss)}`;
    summary.append(create("span", "name", run.name), create("span", "facts", `${run.state}${preset}${loss}`));
    details.dataset.name = run.name;
    details.append(summary);
    details.addEventListener("toggle", () => details.open && details.children.length === 1 && attempt(element, () => fill(details, run)));
    return details;
  }

  async function fill(details, run) {
    const address = `runs/${encodeURIComponent(run.name)}`;
    const figures = terms(run.figures, short);
    const curves = create("div", "curves");
    curves.append(...(await ask(`${address}/curves`)).map(chart));
    details.append(figures, curves, create("h3", "", "Settings"), terms(run.settings, String));
    for (const [name, caption] of Object.entries(PICTURES)) {
      if (!run.pictures.includes(name)) continue;
      const figure = create("figure", "evaluation");
      const image = create("img");
      image.alt = caption;
      image.loading = "lazy";
      image.src = `api/admin/${address}/pictures/${name}`;
      figure.append(create("figcaption", "", caption), image);
      details.append(figure);
    }
  }

  function terms(values, shown) {
    const made = create("dl");
    made.append(...described(Object.entries(values).map(([name, value]) => [words(name), shown(value)])));
    return made;
  }

  /** A figure's name as people write it. */
  function words(name) {
    if (name === "nt_xent") return "NT-Xent";
    const spaced = name.replaceAll("_", " ");
    return /^[a-z][a-z]/.test(spaced) ? `${spaced[0].toUpperCase()}${spaced.slice(1)}` : spaced; // but mAP@R
  }

  /** One number over the steps. The line is stretched to its box; the words around it are not. */
  function chart({ name, steps, values }) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const [from, to] = [steps[0], steps.at(-1)];
    const x = (step) => (to === from ? WIDTH / 2 : ((step - from) / (to - from)) * WIDTH);
    const y = (value) => (high === low ? HEIGHT / 2 : HEIGHT - ((value - low) / (high - low)) * HEIGHT);
    const figure = create("figure");
    const caption = create("figcaption", "", words(name));
    caption.append(create("span", "last", `last ${short(values.at(-1))}`));
    const scale = create("div", "scale");
    scale.append(create("span", "", short(high)), create("span", "", high === low ? "" : short(low)));
    const range = create("div", "range");
    range.append(create("span", "", `step ${from.toLocaleString()}`), create("span", "", to === from ? "" : to.toLocaleString()));
    figure.append(caption, scale, drawn(values.map((value, place) => [x(steps[place]), y(value)])), range);
    figure.querySelector("svg").setAttribute("aria-label", `${words(name)} over ${count(to, "step")}: from ${short(values[0])} to ${short(values.at(-1))}, between ${short(low)} and ${short(high)}`);
    return figure;
  }

  function drawn(points) {
    const svg = svgElement("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    const line = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`);
    if (line.length === 1) line.push(line[0]); // a dot
    svg.append(svgElement("polyline", { points: line.join(" "), "vector-effect": "non-scaling-stroke" }));
    return svg;
  }

  function svgElement(tag, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  return read;
});
