// Answers as CSV.
"use strict";

/** What is shown, as a table for other programs. */
lookalike.csv = (() => {
  const ANSWER = ["rank", "item_id", "similarity", "verdict", "path"];

  /** A cell. A text that a spreadsheet would run as a formula gets an apostrophe before it, as by catalog/csv_text.py. */
  function cell(value) {
    if (value === null || value === undefined) return "";
    if (typeof value !== "string") return String(value);
    const inert = /^'*[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : value;
    return /[",\n\r]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
  }

  function text(matches) {
    const own = [...new Set(matches.flatMap((match) => Object.keys(match.columns)))];
    const names = own.map((name) => (ANSWER.includes(name) ? `catalog_${name}` : name)); // as search/writers.py does
    const rows = matches.map((match) => [...ANSWER.map((name) => match[name]), ...own.map((name) => match.columns[name])]);
    return [[...ANSWER, ...names], ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
  }

  function save(matches) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", text(matches)], { type: "text/csv" })); // the mark tells Excel: UTF-8
    link.download = "lookalike.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  return { text, save };
})();
