// Small things that every part of the page uses. Text of the catalog and file names become text nodes, never HTML.
"use strict";

window.lookalike = {};

lookalike.util = (() => {
  const WIDTHS = [160, 320, 640, 960]; // as ui/media.py makes them
  const MOST_FACTS = 3; // columns on a card
  const ICONS = {
    plus: "M12 5v14M5 12h14",
    minus: "M5 12h14",
    cross: "M6 6l12 12M18 6 6 18",
  };

  function create(tag, name = "", text = "") {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== "") made.textContent = text;
    return made;
  }

  function button(name, text, action) {
    const made = create("button", name, text);
    made.type = "button";
    made.addEventListener("click", action);
    return made;
  }

  /** A button that shows a drawing; its words are for those who do not see it, and for the pointer that rests on it. */
  function iconButton(name, icon, words, action) {
    const made = button(name, "", action);
    made.append(drawing(icon));
    made.setAttribute("aria-label", words);
    made.title = words;
    return made;
  }

  function drawing(icon) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ICONS[icon]);
    svg.append(path);
    return svg;
  }

  /** A catalog photo in its frame. `media` is the photo's address, `sizes` how wide it is shown, as CSS has it. */
  function picture(media, sizes, words = "") {
    const frame = create("span", "frame");
    const image = create("img");
    image.alt = words;
    image.decoding = "async";
    image.addEventListener("load", () => image.classList.add("there"));
    image.addEventListener("error", () => frame.classList.add("missing"));
    image.sizes = sizes;
    image.srcset = WIDTHS.map((width) => `${media}&w=${width} ${width}w`).join(", ");
    image.src = `${media}&w=320`;
    frame.append(image);
    return frame;
  }

  /** An action that waits until nothing has asked for it for a while. */
  function debounce(action, wait) {
    let timer = 0;
    const cancel = () => {
      clearTimeout(timer);
      timer = 0;
    };
    const soon = (...given) => {
      cancel();
      timer = setTimeout(() => {
        timer = 0;
        action(...given);
      }, wait);
    };
    return Object.assign(soon, { cancel, waits: () => timer !== 0 });
  }

  /** What to call a product: its title, else its photo's file, with the folder that lies in. */
  function title(item) {
    if (item.title !== item.path) return { main: item.title, place: "", isFile: false };
    const parts = item.path.split("/");
    return { main: parts.pop(), place: parts.join(" / "), isFile: true };
  }

  /** The columns that say most in little space: category, price, then the first of the catalog's own that are short. */
  function facts(item) {
    const { title: _, category, price, ...others } = item.columns;
    const own = Object.entries({ category, price, ...others }).filter(([, value]) => isShort(value));
    return own.slice(0, MOST_FACTS).map(([name, value]) => cell(name, value)).join(" · ");
  }

  const isShort = (value) => (typeof value === "number" || (typeof value === "string" && value !== "" && !isLink(value))) && String(value).length <= 40;

  /** A cell as people read it: a price with its hundredths, everything else as it is. */
  function cell(name, value) {
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (name !== "price" || typeof value !== "number") return String(value);
    return value.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  }

  /** A list in the browser's memory for this tab, which a reload leaves alone. */
  function kept(key) {
    try {
      return JSON.parse(sessionStorage.getItem(key) ?? "[]");
    } catch {
      return [];
    }
  }

  function keep(key, list) {
    try {
      sessionStorage.setItem(key, JSON.stringify(list));
    } catch {
      // no room, or none allowed: then a reload forgets it
    }
  }

  const isLink = (value) => typeof value === "string" && /^https?:\/\//i.test(value);
  const count = (number, noun) => `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
  const megabytes = (bytes) => `${Math.ceil(bytes / 2 ** 20)} MB`;
  const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
  /** What the API answers to a GET; null where it does not, whatever the reason. */
  const fetched = (path) => fetch(path).then((reply) => (reply.ok ? reply.json() : null)).catch(() => null);
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  return { create, button, iconButton, picture, debounce, title, facts, cell, isLink, count, megabytes, sentence, fetched, kept, keep, calm };
})();
