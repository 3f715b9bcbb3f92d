// The foot of the page.
"use strict";

/** The line at the foot of the page, and the link for whoever runs it. */
lookalike.status = (element, props, watch) => {
  const { count } = lookalike.util;
  const line = element.querySelector("p");
  function draw() {
    const value = props.value;
    if (!value) return;
    lookalike.sawVersion(value.version);
    line.textContent = `${count(value.products, "product")} · version ${value.version}`;
    document.querySelector(".to-admin").hidden = !value.admin;
  }
  watch("value", draw);
  draw();
};
