// What is in use, and every version, each of which can be put into use.
"use strict";

lookalike.admin.part("store", (element) => {
  const { create, button, count } = lookalike.util;
  const { ask, attempt, confirmed, described, short, moment } = lookalike.admin;
  const AGAIN_MS = 1_000;
  const MOST_LOOKS = 30; // for the server to take a version into use
  const note = element.querySelector(".note");
  const rows = document.querySelector("#versions .rows");
  let looks = 0;

  async function read() {
    looks = 0;
    await show(await ask("status"));
  }

  async function show(status) {
    const used = status.versions.find((version) => version.in_use);
    element.querySelector("dl").replaceChildren(
      ...described([
        ["Version", status.in_use || "none yet"],
        ["Made", used?.created && moment(used.created)],
        ["Products", used?.products?.toLocaleString()],
        ["Photos", used?.photos?.toLocaleString()],
        ["Left out", count(status.left_out, "file")],
        ["Encoder", used?.encoder && encoder(used)],
        ["Index", used?.kind && `${used.kind}, ${used.dimension} dimensions`],
        ["Recall@10", used?.kind && recall(used)],
        ["Check of the encoder", used?.verdict],
        ["Problem", used?.problem],
      ]),
    );
    note.textContent = remark(status);
    note.hidden = !note.textContent;
    rows.replaceChildren(...status.versions.map(row));
    document.dispatchEvent(new CustomEvent("versions", { detail: status }));
    if (status.in_use === status.serving || looks >= MOST_LOOKS) return;
    looks += 1;
    setTimeout(() => attempt(element, async () => show(await ask("status"))), AGAIN_MS);
  }

  function remark(status) {
    if (status.in_use && status.in_use !== status.serving) {
      if (looks < MOST_LOOKS) return `Version ${status.in_use} is being taken into use; ${status.serving} still answers.`;
      return `Version ${status.in_use} is refused, and ${status.serving} goes on answering: the server's log says why.`;
    }
    if (!status.behind) return "";
    return `The catalog has changed since: ${count(status.photos, "photo")} of ${count(status.products, "product")} now. Take in the changes.`;
  }

  const encoder = (version) => `${version.encoder}: ${version.backbone}, ${version.layer} (${version.encoder_sha256.slice(0, 12)})`;

  function recall(version) {
    if (version.kind === "exact") return "1, as any exact index";
    return `${version.recall.toFixed(4)}, promised ${short(version.promised_recall)}`;
  }

  function row(version) {
    const made = create("li");
    const words = create("div", "words");
    const name = create("p", "name", version.id);
    if (version.in_use) name.append(create("span", "badge", "in use"));
    const facts = version.problem || `${moment(version.created)} · ${version.encoder} · ${count(version.products, "product")}, ${count(version.photos, "photo")} · ${version.kind}`;
    words.append(name, create("p", "facts", facts));
    made.append(words);
    if (!version.in_use && !version.problem) made.append(useButton(version));
    return made;
  }

  function useButton(version) {
    const made = button("secondary", "Use this version", async () => {
      const consequence = `It was made ${moment(version.created)} by ${version.encoder}, and answers within seconds. The others stay, so you can come back.`;
      if (!(await confirmed(`Use version ${version.id}?`, consequence, "Use it"))) return;
      looks = 0;
      await attempt(element, async () => show(await ask("rollback", { method: "POST", json: { version: version.id } })));
    });
    made.setAttribute("aria-label", `Use version ${version.id}`);
    return made;
  }

  return read;
});
