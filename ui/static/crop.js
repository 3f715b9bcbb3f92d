// A box on the query photo: only what is inside is searched with. Drawn, moved and resized by mouse or touch; by keyboard
// its middle and its corners take the arrow keys.
"use strict";

lookalike.crop = (canvas, layer, chosen) => {
  const { create, debounce } = lookalike.util;
  const LEAST = 0.05; // of the photo's width and height
  const STEP = 0.02; // by one press of an arrow key; with Shift five times as far
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const CORNERS = [["left", "top"], ["right", "top"], ["right", "bottom"], ["left", "bottom"]];

  const shade = create("div", "shade");
  shade.append(create("div", "hole"));
  const box = create("div", "box");
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "The part that is searched: arrow keys move it");
  for (const [x, y] of CORNERS) {
    const corner = create("button", `corner ${x} ${y}`);
    corner.type = "button";
    corner.dataset.x = x;
    corner.dataset.y = y;
    corner.setAttribute("aria-label", `Corner ${y} ${x}: arrow keys move it`);
    box.append(corner);
  }
  layer.append(shade, box);

  let edges = null; // {left, top, right, bottom}, parts of the photo; null: no box
  let searched = null; // the box that is searched with
  let open = false;
  let drag = null;
  const chosenSoon = debounce(tell, 350);

  function tell() {
    if (edges) chosen([edges.left, edges.top, edges.right, edges.bottom]);
  }

  function place() {
    layer.hidden = !edges && !open;
    box.hidden = shade.hidden = !edges;
    canvas.toggleAttribute("data-cropping", open);
    canvas.closest(".asked").toggleAttribute("data-cropping", open);
    canvas.closest(".asked").querySelector(".cut").setAttribute("aria-pressed", String(open));
    if (!edges) return;
    for (const [name, value] of Object.entries(edges)) layer.style.setProperty(`--${name}`, value);
  }

  const within = (value, least, most) => Math.min(most, Math.max(least, value));

  /** Where a pointer is on the photo, as parts of it. */
  function at(event) {
    const around = layer.getBoundingClientRect();
    return { x: within((event.clientX - around.left) / around.width, 0, 1), y: within((event.clientY - around.top) / around.height, 0, 1) };
  }

  function resize(corner, x, y) {
    const { left, top, right, bottom } = edges;
    edges = {
      left: corner.x === "left" ? within(x, 0, right - LEAST) : left,
      right: corner.x === "right" ? within(x, left + LEAST, 1) : right,
      top: corner.y === "top" ? within(y, 0, bottom - LEAST) : top,
      bottom: corner.y === "bottom" ? within(y, top + LEAST, 1) : bottom,
    };
    place();
  }

  function move(x, y) {
    const width = edges.right - edges.left;
    const height = edges.bottom - edges.top;
    const left = within(x, 0, 1 - width);
    const top = within(y, 0, 1 - height);
    edges = { left, top, right: left + width, bottom: top + height };
    place();
  }

  layer.addEventListener("pointerdown", (event) => {
    if (!open || event.button !== 0) return;
    event.preventDefault();
    layer.setPointerCapture(event.pointerId);
    const from = at(event);
    if (event.target.matches(".corner")) drag = { corner: event.target.dataset };
    else if (event.target === box) drag = { grip: { x: from.x - edges.left, y: from.y - edges.top } };
    else drag = { from };
  });
  layer.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const { x, y } = at(event);
    if (drag.corner) resize(drag.corner, x, y);
    else if (drag.grip) move(x - drag.grip.x, y - drag.grip.y);
    else if (Math.abs(x - drag.from.x) >= LEAST && Math.abs(y - drag.from.y) >= LEAST) {
      edges = { left: Math.min(x, drag.from.x), top: Math.min(y, drag.from.y), right: Math.max(x, drag.from.x), bottom: Math.max(y, drag.from.y) };
      place();
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    layer.addEventListener(end, () => {
      if (drag) tell();
      drag = null;
    });
  }
  layer.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (event.key === "Escape") {
      close();
      canvas.closest(".asked").querySelector(".cut").focus();
    }
    if (!arrow || !edges) return;
    event.preventDefault();
    const far = STEP * (event.shiftKey ? 5 : 1);
    if (event.target.matches(".corner")) {
      const { x, y } = event.target.dataset;
      resize({ x, y }, edges[x] + arrow[0] * far, edges[y] + arrow[1] * far);
    } else move(edges.left + arrow[0] * far, edges.top + arrow[1] * far);
    chosenSoon();
  });

  function close() {
    open = false;
    drag = null;
    chosenSoon.cancel();
    edges = searched;
    place();
  }

  return {
    get open() {
      return open;
    },
    place,
    close,

    /** Let the visitor draw; a box to begin with is there, for the keyboard. */
    begin() {
      open = true;
      edges ??= { left: 0.15, top: 0.15, right: 0.85, bottom: 0.85 };
      place();
      box.focus();
    },

    /** Show the box that is searched with, or none. */
    show(crop) {
      searched = crop && { left: crop[0], top: crop[1], right: crop[2], bottom: crop[3] };
      if (drag || chosenSoon.waits()) return;
      if (searched || !open) edges = searched;
      place();
    },
  };
};
