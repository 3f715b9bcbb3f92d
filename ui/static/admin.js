// The owner's page: its parts register here, are set up when the document is there, and are read anew after each job.
// Whatever comes from the catalog or from a run reaches the page only as text.
"use strict";

lookalike.admin = (() => {
  const NO_ANSWER = "The server gave no answer. Look whether it is still running, then load this page anew.";
  const setups = [];
  let refreshers = [];

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chooseTheme = () => document.documentElement.classList.toggle("dark", dark.matches);
  dark.addEventListener("change", chooseTheme);
  chooseTheme();

  /** `setup(element)` is called once with the part's section; it gives a function that reads the part anew. */
  const part = (id, setup) => setups.push(() => guarded(document.getElementById(id), setup));

  function guarded(element, setup) {
    const refresh = setup(element);
    return () => attempt(element, refresh);
  }

  /** Do something for a part, and say in it what went wrong if anything did. Gives whether nothing did. */
  async function attempt(element, action) {
    const problem = element.querySelector(".problem");
    try {
      await action();
      if (problem) problem.hidden = true;
      return true;
    } catch (error) {
      if (!problem) return false;
      problem.textContent = lookalike.util.sentence(error.message);
      problem.hidden = false;
      return false;
    }
  }

  /** The server's answer to a request of /api/admin/…; an error carries the words of its problem. */
  async function ask(path, { method = "GET", json, form } = {}) {
    const options = json === undefined ? { method, body: form } : { method, body: JSON.stringify(json), headers: { "Content-Type": "application/json" } };
    const reply = await fetch(`api/admin/${path}`, options).catch(() => {
      throw new Error(NO_ANSWER);
    });
    const answer = await reply.json().catch(() => ({ detail: NO_ANSWER }));
    if (!reply.ok) throw new Error(answer.detail);
    return answer;
  }

  const refresh = () => Promise.all(refreshers.map((read) => read()));

  /** Ask before something is done; gives whether to do it. */
  function confirmed(question, consequence, yes) {
    const dialog = document.querySelector("dialog");
    dialog.querySelector("h2").textContent = question;
    dialog.querySelector("p").textContent = consequence;
    dialog.querySelector("[value=yes]").textContent = yes;
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
  }

  /** Terms and what they are, for a <dl>; what is empty is left out. */
  function described(pairs) {
    const { create } = lookalike.util;
    return pairs
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([name, value]) => {
        const pair = create("div");
        pair.append(create("dt", "", name), create("dd", "", String(value)));
        return pair;
      });
  }

  /** A count as it is, any other number with three digits that mean something. */
  function short(value) {
    if (Number.isInteger(value)) return value.toLocaleString();
    if (Math.abs(value) < 1e-3) return value.toExponential(1);
    return value.toLocaleString(undefined, { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
  }

  const moment = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

  addEventListener("DOMContentLoaded", async () => {
    refreshers = setups.map((set) => set());
    await refresh();
    document.documentElement.dataset.ready = "";
  });

  return { part, attempt, ask, refresh, confirmed, described, short, moment };
})();
