// What the page does when it is asked something: one question at a time, only the newest answer shown, every question in
// the address and the browser's history. The components of ui/page.py call lookalike.query, .results, .refine and .status
// with their own element when they appear; each hands this file what it can do.
"use strict";

(() => {
  const { debounce, sentence, calm, title } = lookalike.util;
  const { empty, next, asks, toServer, toAddress, fromAddress } = lookalike.question;

  const LOOK_AGAIN_MS = 4_000; // after so long without an answer, ask whether the server is there at all
  const PATIENCE_MS = 60_000;
  const NUDGE_MS = 500; // then twice as long, and so on
  const TITLE = "Lookalike";
  const NO_ANSWER = "The server gave no answer. Look whether it is still running, then try again.";

  const root = document.documentElement;
  const parts = {}; // query, results, refine: what each component can do
  let question = empty();
  let newest = 0; // the number of the newest question: only its answer is shown
  let patience = 0;
  let nudging = 0;
  let settled = null; // the newest question that has been answered, to go back to from one that cannot be
  let complaint = null; // {cause, problem} of a photo that was left out, said beside the answer to the others
  let product = null; // what the newest answer says of the product that was asked with
  let version = null;
  let waiting = []; // changes that are asked for once the visitor has stopped typing or moving
  let control = null; // the one that all of those come from
  const askForWaiting = debounce(() => ask({}, { by: control }), 250);

  root.dataset.view = "invite";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", chooseTheme);
  chooseTheme();
  history.scrollRestoration = "manual";
  addEventListener("popstate", (event) => restore(event.state?.question ?? fromAddress(location.search)));

  /** Dark or light from the first paint on, as Gradio will have it: by the address, else by the system. */
  function chooseTheme() {
    const asked = new URLSearchParams(location.search).get("__theme");
    root.classList.toggle("dark", asked === "dark" || (asked !== "light" && dark.matches));
  }

  /** Called by each part when it is there; when all are, the address may hold a question already. */
  function arrived(name, part) {
    parts[name] = part;
    if (!parts.query || !parts.results || !parts.refine) return;
    root.dataset.ready = "";
    const asked = fromAddress(location.search);
    const kept = history.state?.question;
    if (kept && asks(kept)) restore(kept);
    else if (asks(asked)) restore(asked);
    else {
      question = asked;
      parts.refine.show(question);
    }
  }

  /**
   * Ask something else. `changes` are fields of the question, or make them from it; `keep` leaves the products before in
   * place, dimmed. Changes that wait are made first. `by`: the control that was moved; its moves in a row are one step of
   * the browser's history.
   */
  function ask(changes, { keep = true, by = null } = {}) {
    complaint = null;
    for (const change of [...waiting, changes]) question = { ...question, ...(typeof change === "function" ? change(question) : change) };
    forgetWaiting();
    if (!keep) question.k = 12;
    remember(by);
    if (asks(question)) send(keep);
    else if (root.dataset.view === "asked") invite();
    else parts.refine.show(question);
  }

  function askSoon(by, change) {
    control = waiting.length && control !== by ? null : by;
    waiting.push(change);
    askForWaiting();
  }

  function forgetWaiting() {
    waiting = [];
    askForWaiting.cancel();
  }

  /** A question of before, from the browser's history or the address. */
  function restore(asked) {
    forgetWaiting();
    const lost = !parts.query.knows(asked.photos);
    question = lost ? { ...asked, photos: [], crop: null } : asked;
    if (asks(question)) send(false, true);
    else invite(lost ? "The photo of this address is no longer here: choose it again." : "");
  }

  function remember(by = null) {
    const address = toAddress(question);
    const before = history.state;
    const state = { question, by };
    const asIs = address === location.pathname + location.search && question.photos.join() === (before?.question?.photos ?? []).join();
    if (asIs || (by !== null && by === before?.by)) history.replaceState(state, "", address);
    else history.pushState(state, "", address);
  }

  /** Send the question. `force`: controls show it even where the visitor is at one of them. */
  async function send(keep, force = false) {
    const request = (newest += 1);
    root.dataset.view = "asked";
    root.dataset.busy = "";
    product = keep ? product : null;
    if (!keep) parts.query.closeCrop();
    parts.query.show(question, product);
    parts.query.complain(complaint);
    parts.refine.show(question, force);
    parts.results.wait(keep);
    if (!keep) scrollTo({ top: 0, behavior: calm() ? "auto" : "smooth" });
    clearTimeout(patience);
    clearTimeout(nudging);
    let uploads;
    try {
      uploads = await parts.query.uploads(question.photos);
    } catch {
      if (request === newest) invite("The photo could not be sent. Look whether the server is running, then try again.");
      return;
    }
    if (request !== newest) return;
    parts.query.send({ request, uploads, name: parts.query.name(question.photos), question: toServer(question) });
    keepPatience(request, Date.now() + PATIENCE_MS);
    nudge(NUDGE_MS);
  }

  /**
   * Gradio's client misses an answer when the stream of the answers before it closes just as the question is taken: it
   * lies on the server until anything else is asked, which opens a stream again. So ask something small.
   */
  function nudge(wait) {
    clearTimeout(nudging);
    nudging = setTimeout(() => {
      parts.query.nudge();
      nudge(2 * wait);
    }, wait);
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
    clearTimeout(nudging);
    delete root.dataset.busy;
  }

  /** What the server answered to one question. */
  function answered(value) {
    if (!value || value.request !== newest) return;
    settle();
    if (value.problem) {
      trouble(value.problem);
      return;
    }
    product = value.product;
    settled = question;
    for (const one of [...question.liked, ...question.disliked]) Object.assign(one, value.named[one.id] ?? {});
    parts.query.show(question, product);
    parts.refine.show(question);
    document.title = `${parts.results.draw(value.answer, question, product)} · ${TITLE}`;
    sawVersion(value.answer.version);
    parts.query.accepted(question.photos);
    if (question.photos.length) parts.refine.note(question, parts.query.name(question.photos));
    else if (product) parts.refine.note(question, title(product).main, `${product.media}&w=160`);
  }

  function trouble({ status, code, detail }) {
    if (code === "expired" && parts.query.renew(question.photos)) {
      send(true);
      return;
    }
    const refused = status === 422;
    const filtered = Object.keys(question.filters).length > 0;
    if (refused && code !== "usage" && code !== "expired" && question.photos.length) leaveOut(detail);
    else if (code === "expired" || (refused && question.product !== null && product === null && !filtered)) invite(sentence(detail));
    else parts.results.fail(sentence(detail), () => send(true));
  }

  /** A photo cannot be used: go on with the others, or with what was asked before; to the start where there is neither. */
  function leaveOut(detail) {
    const [, place, reason] = /^(?:photo (\d+) of \d+: )?(.*)$/s.exec(detail); // of several, the server says which
    const unusable = question.photos[(place ?? 1) - 1];
    const others = question.photos.filter((each) => each !== unusable);
    const said = { cause: `“${parts.query.name([unusable])}” cannot be used.`, problem: sentence(reason) };
    if (!others.length && !settled) {
      invite(said.problem, said.cause);
      return;
    }
    question = others.length ? { ...question, photos: others } : settled;
    complaint = { cause: [complaint?.cause, said.cause].filter(Boolean).join(" "), problem: said.problem };
    history.replaceState({ question }, "", toAddress(question));
    send(false, true);
  }

  /** Back to the start, saying what went wrong if anything did; answers on their way are dropped. */
  function invite(problem = "", cause = "") {
    forgetWaiting();
    newest += 1;
    settle();
    product = settled = complaint = null;
    question = next(question);
    root.dataset.view = "invite";
    document.title = TITLE;
    parts.query.invite(problem, cause);
    parts.refine.show(question);
    parts.results.clear();
  }

  /** The start again, by the visitor's own wish. */
  function begin() {
    invite();
    remember();
  }

  /** Files that are not even sent: what is shown stays. */
  function refuse(problem, cause) {
    if (root.dataset.view === "asked") parts.query.complain({ problem, cause });
    else invite(problem, cause);
  }

  function unanswered() {
    if ("busy" in root.dataset) {
      settle();
      newest += 1;
      parts.results.fail(NO_ANSWER, () => send(true));
    }
  }

  /** A new version may have other columns to filter by. */
  function sawVersion(id) {
    if (version !== null && version !== id) parts.refine?.load();
    version = id;
  }

  /** Move the query towards a product, or away from it; a second time takes that back. */
  function steer(field, item) {
    const other = field === "liked" ? "disliked" : "liked";
    const there = question[field].some((one) => one.id === item.item_id);
    const without = (list) => list.filter((one) => one.id !== item.item_id);
    const one = { id: item.item_id, title: item.title, media: item.media };
    ask({ [field]: there ? without(question[field]) : [...question[field], one], [other]: without(question[other]) });
  }

  Object.assign(lookalike, {
    arrived,
    answered,
    ask,
    begin,
    refuse,
    steer,
    unanswered,
    sawVersion,
    asked: () => question,
    knows: (photos) => parts.query.knows(photos),
    pictureOf: (photos) => parts.query.picture(photos),
    askSoon,
    searchPhotos: (photos) => ask({ ...next(question), photos }, { keep: false }),
    searchProduct: (id) => ask({ ...next(question), product: id }, { keep: false }),
  });
})();
