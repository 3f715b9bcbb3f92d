// A question as the page holds it, and its three other forms: what the server is sent, the page's address, a condition.
// Photos are named by numbers of this session (query.js); everything else is plain values, so that the browser's history
// can keep it.
"use strict";

lookalike.question = (() => {
  const START = { photos: [], product: null, crop: null, filters: {}, colour: 0.1, k: 12, hide: false, all: false, liked: [], disliked: [] };

  const empty = () => structuredClone(START);

  /** A question about something else, with what was chosen for the answers kept. */
  const next = ({ filters, colour, hide, all }) => ({ ...empty(), filters, colour, hide, all });

  /** What the page looks for: a question without a photo, a product or a liked product is none. */
  const asks = (question) => question.photos.length > 0 || question.product !== null || question.liked.length > 0;

  /** The condition that filters stand for, as catalog/where.py reads it: a JSON text is a Python text, too. */
  function condition(filters) {
    return Object.entries(filters).map(([column, filter]) => `(${part(`column(${JSON.stringify(column)})`, filter)})`).join(" and ");
  }

  function part(column, { kind, values, text, value, least, most }) {
    if (kind === "choices") return `${column} in (${values.map((each) => `${JSON.stringify(each)},`).join(" ")})`;
    if (kind === "entries") return values.map((each) => `${JSON.stringify(each)} in ${column}`).join(" or ");
    if (kind === "text") return `${JSON.stringify(text)} in ${column}`;
    if (kind === "truth") return `${column} == ${value ? "True" : "False"}`;
    const from = kind === "dates" ? JSON.stringify : number;
    const to = kind === "dates" ? `< ${JSON.stringify(nextDay(most))}` : `<= ${number(most)}`; // the whole of that day
    return [least !== null && `${column} >= ${from(least)}`, most !== null && `${column} ${to}`].filter(Boolean).join(" and ");
  }

  /** A number as Python reads it: one of many digits as a floating-point number, which it is. */
  const number = (value) => (Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : String(value));

  function nextDay(day) {
    const date = new Date(`${day}T00:00:00Z`);
    date.setUTCDate(date.getUTCDate() + 1);
    return date.toISOString().slice(0, 10);
  }

  /** The fields of ui/questions.py. */
  function toServer(question) {
    return {
      k: question.k,
      product: question.product,
      crop: question.crop,
      where: condition(question.filters),
      colour: question.colour,
      hide_duplicates: question.hide,
      liked: question.liked.map((one) => one.id),
      disliked: question.disliked.map((one) => one.id),
    };
  }

  /** The page's address for a question: what differs from the start. Photos are not in it: they are the visitor's own. */
  function toAddress(question) {
    const said = new URLSearchParams();
    const theme = new URLSearchParams(location.search).get("__theme");
    if (theme) said.set("__theme", theme);
    if (question.product !== null) said.set("product", question.product);
    if (question.crop) said.set("crop", question.crop.map((edge) => Number(edge.toFixed(4))).join(","));
    if (Object.keys(question.filters).length) said.set("filters", JSON.stringify(question.filters));
    if (question.colour !== START.colour) said.set("colour", question.colour);
    if (question.k !== START.k) said.set("k", question.k);
    if (question.hide) said.set("hide", "1");
    if (question.all) said.set("all", "1");
    for (const one of question.liked) said.append("like", one.id);
    for (const one of question.disliked) said.append("unlike", one.id);
    const text = said.toString();
    return location.pathname + (text ? `?${text}` : "");
  }

  /** The question in an address, which anyone may have written: what cannot be used is left out. */
  function fromAddress(search) {
    const said = new URLSearchParams(search);
    const question = empty();
    question.product = said.get("product");
    const crop = (said.get("crop") ?? "").split(",").map(Number);
    if (question.product !== null && crop.length === 4 && crop.every((edge) => edge >= 0 && edge <= 1)) question.crop = crop;
    question.filters = filters(said.get("filters"));
    const colour = Number(said.get("colour") ?? NaN);
    if (colour >= 0 && colour <= 1) question.colour = colour;
    if (["24", "48"].includes(said.get("k"))) question.k = Number(said.get("k"));
    question.hide = said.get("hide") === "1";
    question.all = said.get("all") === "1";
    question.liked = said.getAll("like").slice(0, 64).map((id) => ({ id }));
    question.disliked = said.getAll("unlike").slice(0, 64).map((id) => ({ id }));
    return question;
  }

  function filters(text) {
    try {
      const given = JSON.parse(text ?? "{}");
      return Object.fromEntries(Object.entries(given).filter(([, filter]) => isFilter(filter)));
    } catch {
      return {};
    }
  }

  function isFilter(filter) {
    const texts = (values) => Array.isArray(values) && values.length > 0 && values.every((each) => typeof each === "string");
    const some = (...bounds) => bounds.some((bound) => bound !== null);
    const isNumber = (value) => value === null || Number.isFinite(value);
    const isDay = (value) => value === null || (/^[1-9]\d{3}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value)));
    switch (filter?.kind) {
      case "choices":
      case "entries":
        return texts(filter.values);
      case "text":
        return typeof filter.text === "string" && filter.text !== "";
      case "truth":
        return typeof filter.value === "boolean";
      case "numbers":
        return [filter.least, filter.most].every(isNumber) && some(filter.least, filter.most);
      case "dates":
        return [filter.least, filter.most].every(isDay) && some(filter.least, filter.most);
      default:
        return false;
    }
  }

  return { empty, next, asks, isFilter, toServer, toAddress, fromAddress };
})();
