// What the page does. Loaded in the page's head; the components of ui/page.py call lookalike.query, .results and
// .status with their own element when they appear. Catalog text and file names reach the page only as textContent.
"use strict";

window.lookalike = (() => {
  const LOOK_AGAIN_MS = 4_000; // after so long without an answer, ask whether the server is there at all
  const PATIENCE_MS = 60_000;
  const NO_ANSWER = "The server gave no answer. Look whether it is still running, then try again.";

  const root = document.documentElement;
  let newest = 0; // the number of the newest question: only its answer is shown
  let photo = null; // the visitor's own photo: {name, url, path}
  let panel = null; // what is searched with (lookalike.query)
  let answer = null; // the grid (lookalike.results)
  let patience = 0;

  root.dataset.view = "invite";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", chooseTheme);
  chooseTheme();

  /** Dark or light from the first paint on, as Gradio will have it: by the address, else by the system. */
  function chooseTheme() {
    const asked = new URLSearchParams(location.search).get("__theme");
    root.classList.toggle("dark", asked === "dark" || (asked !== "light" && dark.matches));
  }

  /** Called by each part when it is there; tells the tests when all are. */
  function arrived() {
    if (panel && answer) root.dataset.ready = "";
  }

  /** Begin a question; gives its number. */
  function begin() {
    newest += 1;
    root.dataset.view = "asked";
    root.dataset.busy = "";
    keepPatience(newest, Date.now() + PATIENCE_MS);
    answer.wait();
    scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    return newest;
  }

  function keepPatience(request, until) {
    clearTimeout(patience);
    patience = setTimeout(async () => {
      const there = await fetch("healthz", { signal: AbortSignal.timeout(LOOK_AGAIN_MS) }).then((reply) => reply.ok, () => false);
      if (request !== newest) return;
      if (there && Date.now() < until) keepPatience(request, until);
      else unanswered();
    }, LOOK_AGAIN_MS);
  }

  function settle() {
    clearTimeout(patience);
    delete root.dataset.busy;
  }

  /** Back to the start, saying what went wrong if anything did; answers on their way are dropped. */
  function restart(problem = "", cause = "") {
    newest += 1;
    settle();
    root.dataset.view = "invite";
    panel.invite(problem, cause);
    answer.clear();
  }

  function unanswered() {
    if ("busy" in root.dataset) restart(NO_ANSWER);
  }

  function query(element, props, upload, trigger, event) {
    const find = (selector) => element.querySelector(selector);
    const input = find("input");
    const picture = find(".asked img");

    const ask = () => trigger(event, { request: newest, upload: photo.path, name: photo.name });

    async function search(file) {
      if (!file || !answer) return;
      if (file.size > props.max_bytes) {
        restart(`It has ${megabytes(file.size)}; a photo may have at most ${megabytes(props.max_bytes)}.`, unusable(file.name));
        return;
      }
      forget();
      photo = { name: file.name, url: URL.createObjectURL(file), path: null };
      const request = begin();
      showPhoto();
      try {
        const { path } = await upload(file);
        if (request !== newest) return;
        photo.path = path;
        ask();
      } catch {
        if (request === newest) restart("The photo could not be sent. Look whether the server is running, then try again.");
      }
    }

    function forget() {
      if (photo) URL.revokeObjectURL(photo.url);
      photo = null;
    }

    function show(name, facts, source, isFile = false) {
      find(".invite").hidden = true;
      find(".asked").hidden = false;
      find(".name").textContent = name;
      find(".name").classList.toggle("file", isFile);
      find(".facts").textContent = facts;
      find(".frame").classList.remove("missing");
      picture.src = source;
    }

    function showPhoto() {
      show("Your photo", photo.name, photo.url);
      find(".back").hidden = true;
    }

    picture.addEventListener("error", () => find(".frame").classList.add("missing"));
    picture.addEventListener("load", () => {
      const shape = Math.min(1.6, Math.max(0.7, picture.naturalWidth / picture.naturalHeight));
      find(".frame").style.setProperty("--shape", shape.toFixed(3));
    });
    input.addEventListener("change", () => {
      search(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    });
    find(".choose").addEventListener("click", () => input.click());
    find(".invite").addEventListener("click", (click) => {
      if (!click.target.closest("button")) input.click();
    });
    find(".new").addEventListener("click", () => {
      forget();
      restart();
      find(".choose").focus();
    });
    find(".back").addEventListener("click", () => {
      begin();
      showPhoto();
      ask();
    });
    acceptAnywhere(search);

    panel = {
      invite(problem, cause) {
        find(".invite").hidden = false;
        find(".asked").hidden = true;
        find(".problem strong").textContent = cause;
        find(".problem span").textContent = problem;
        find(".problem").hidden = !problem;
      },
      product(item) {
        const { main, place, isFile } = title(item);
        show(main, facts(item) || place, `${item.media}&w=640`, isFile);
        find(".back").hidden = !photo?.path;
      },
    };
    arrived();
  }

  function results(element, props, watch, trigger, event) {
    const section = element.querySelector(".answer");
    const heading = element.querySelector("h2");
    const grid = element.querySelector(".grid");

    answer = {
      wait() {
        section.hidden = false;
        if (grid.children.length) return; // the products before stay, dimmed
        heading.textContent = "Searching…";
        grid.replaceChildren(...Array.from({ length: 12 }, blank));
      },
      clear() {
        section.hidden = true;
        grid.replaceChildren();
      },
    };
    arrived();

    function draw() {
      const value = props.value;
      if (!value || value.request !== newest) return;
      settle();
      if (value.problem) {
        const { status, code, detail } = value.problem;
        const blamed = status === 422 && code !== "expired" && value.query.kind === "photo";
        restart(sentence(detail), blamed ? unusable(value.query.name) : "");
        return;
      }
      const own = value.query.product;
      if (own) panel.product(own);
      const refocus = grid.contains(document.activeElement);
      heading.textContent = describe(value.answer.matches.length, own);
      const shape = commonShape(value.answer.matches);
      grid.style.setProperty("--shape", shape);
      grid.replaceChildren(...value.answer.matches.map((match) => card(match, shape)));
      if (refocus) heading.focus({ preventScroll: true });
    }

    function card(match, shape) {
      const button = create("button", "card");
      button.type = "button";
      const picture = create("img");
      picture.alt = "";
      picture.decoding = "async";
      const cut = 1 - Math.min(shape / ratio(match), ratio(match) / shape);
      if (cut > 0.34) picture.classList.add("whole"); // rather bands beside it than a product cut in two
      picture.addEventListener("load", () => picture.classList.add("there"));
      picture.addEventListener("error", () => picture.parentElement.classList.add("missing"));
      picture.sizes = "(min-width: 1100px) 270px, (min-width: 700px) 31vw, 46vw";
      picture.srcset = [160, 320, 640, 960].map((width) => `${match.media}&w=${width} ${width}w`).join(", ");
      picture.src = `${match.media}&w=320`;
      const frame = create("span", "frame");
      frame.append(picture);
      const { main, place, isFile } = title(match);
      const likeness = create("span", "likeness");
      const bar = create("span", "bar");
      bar.style.setProperty("--share", Math.max(0, match.similarity).toFixed(3));
      const figure = create("span", "figure", match.similarity.toFixed(2));
      figure.title = "Similarity: 1.00 is the same picture";
      likeness.append(create("span", "unseen", "similarity"), figure, bar);
      button.append(frame, create("span", isFile ? "title file" : "title", main), create("span", "facts", facts(match) || place), likeness);
      button.addEventListener("click", () => trigger(event, { request: begin(), image_id: match.image_id }));
      const item = create("li");
      item.append(button);
      return item;
    }

    watch("value", draw);
  }

  function status(element, props, watch) {
    const line = element.querySelector("p");
    function draw() {
      const value = props.value;
      if (!value) return;
      line.textContent = `${count(value.products, "product")} · version ${value.version}`;
    }
    watch("value", draw);
    draw();
  }

  /** A photo dropped or pasted anywhere on the page is taken. */
  function acceptAnywhere(search) {
    const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
    const first = (files) => [...files].find((file) => file.type.startsWith("image/")) ?? files[0];
    addEventListener("dragover", (event) => {
      event.preventDefault(); // also for what is no file: the browser must not leave the page for it
      if (carriesFile(event)) root.dataset.dragging = "";
    });
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) delete root.dataset.dragging;
    });
    addEventListener("drop", (event) => {
      event.preventDefault();
      delete root.dataset.dragging;
      if (carriesFile(event)) search(first(event.dataTransfer.files));
    });
    addEventListener("paste", (event) => {
      if (event.clipboardData?.files.length) {
        event.preventDefault();
        search(first(event.clipboardData.files));
      }
    });
  }

  /** The frame for a grid: the plain shape nearest to what most of its photos have, as width by height. */
  function commonShape(matches) {
    const sorted = matches.map(ratio).sort((a, b) => a - b);
    const middle = sorted[sorted.length >> 1] ?? 1;
    const distance = (shape) => Math.abs(Math.log(shape / middle));
    return [3 / 4, 4 / 5, 1, 4 / 3].reduce((best, shape) => (distance(shape) < distance(best) ? shape : best));
  }

  /** What to call a product: its title, else its photo's file, with the folder that lies in. */
  function title(item) {
    if (item.title !== item.path) return { main: item.title, place: "", isFile: false };
    const parts = item.path.split("/");
    return { main: parts.pop(), place: parts.join(" / "), isFile: true };
  }

  /** Category and price, as far as the catalog has them. */
  function facts(item) {
    const { category, price } = item.columns;
    const shown = typeof price === "number" ? price.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : price;
    return [category, shown].filter((fact) => fact !== null && fact !== undefined && fact !== "").join(" · ");
  }

  function describe(found, own) {
    if (!found) return own ? "There is no other product in this catalog" : "There is no product in this catalog";
    return own ? `${count(found, "product")} like this one` : `${count(found, "product")} like your photo`;
  }

  function create(tag, name = "", text = "") {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text) made.textContent = text;
    return made;
  }

  function blank() {
    const item = create("li", "blank");
    item.append(create("span", "frame"), create("span", "line"), create("span", "line short"));
    return item;
  }

  const ratio = (item) => item.width / item.height;
  const unusable = (name) => `“${name}” cannot be used.`;
  const count = (number, noun) => `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
  const megabytes = (bytes) => `${Math.ceil(bytes / 2 ** 20)} MB`;
  const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

  return { query, results, status, unanswered };
})();
