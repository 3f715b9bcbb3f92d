// Jobs: start one, watch it, stop it. What is shown is what the server says, so it is there again after a reload.
"use strict";

lookalike.admin.part("jobs", (element) => {
  const { ask, attempt, refresh } = lookalike.admin;
  const LOOK_MS = 600;
  const NAMES = { sync: "Taking in changes", index: "Rebuilding the index", duplicates: "Looking for duplicates" };
  const OUTCOMES = { running: "", finished: ": done", failed: ": failed", stopped: ": stopped" };
  const find = (selector) => element.querySelector(selector);
  const starters = [...document.querySelectorAll("button[data-job]")];
  let running = false;
  let timer = 0;

  async function read() {
    show(await ask("jobs"));
  }

  function show(job) {
    const was = running;
    running = job?.state === "running";
    for (const starter of starters) starter.disabled = running;
    find(".job").hidden = !job;
    clearTimeout(timer);
    if (!job) return;
    find(".job").dataset.state = job.state;
    const headline = `${NAMES[job.job]}${OUTCOMES[job.state]}`;
    if (find("h3").textContent !== headline) find("h3").textContent = headline; // else it would be read out each time
    find(".stop").hidden = !running;
    find(".found").hidden = job.job !== "duplicates" || job.state !== "finished";
    showProgress(job);
    const printed = find("pre");
    printed.textContent = job.lines.join("\n");
    printed.hidden = !job.lines.length;
    printed.scrollTop = printed.scrollHeight;
    if (running) timer = setTimeout(look, LOOK_MS);
    else if (was) refresh();
  }

  function showProgress(job) {
    const bar = find("progress");
    bar.hidden = !running;
    if (job.progress?.percent === null || !job.progress) bar.removeAttribute("value");
    else bar.value = job.progress.percent;
    const { description, done, total, unit } = job.progress ?? {};
    const step = running && description ? `${description}: ${done.toLocaleString()}${total === null ? "" : ` of ${total.toLocaleString()}`} ${unit} · ` : "";
    find(".step").textContent = `${step}${duration(job.seconds)}`;
  }

  function duration(seconds) {
    const minutes = Math.floor(seconds / 60);
    return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
  }

  async function look() {
    if (!(await attempt(element, read))) timer = setTimeout(look, 4 * LOOK_MS); // the server may be back soon
  }

  for (const starter of starters) {
    starter.addEventListener("click", async () => {
      const started = await attempt(element, async () => show(await ask("jobs", { method: "POST", json: { job: starter.dataset.job } })));
      if (started) find("h3").focus(); // the button can no longer hold it
    });
  }
  find(".stop").addEventListener("click", () => attempt(element, async () => show(await ask("jobs", { method: "DELETE" }))));

  return read;
});
