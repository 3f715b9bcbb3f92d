// What is searched with: the visitor's photos or a product of the catalog, on the left of the page; how photos get here
// (chosen, dropped, pasted, from the camera), and the products that are looked up by name.
"use strict";

lookalike.query = (element, props, upload, trigger) => {
  const { create, iconButton, title, facts, megabytes, kept, keep } = lookalike.util;
  const MOST_PHOTOS = 16;
  const KEPT = "lookalike-photos"; // in the browser's memory for this tab, so that a reload still knows the photos
  const MOST_KEPT = 24;
  const PREVIEW_SIDE = 640;

  const find = (selector) => element.querySelector(selector);
  const input = find("input");
  const canvas = find(".canvas");
  const shown = find(".shown");
  const photos = new Map(); // id → {name, url, path, file, preview}; the file is missing after a reload
  let replacing = true; // whether chosen photos begin a new search or are added to this one
  for (const [number, photo] of kept(KEPT)) photos.set(number, photo);
  const session = Date.now().toString(36); // ids are told apart from those before a reload
  let taken = 0;

  const crop = lookalike.crop(canvas, find(".crop"), (box) => lookalike.ask({ crop: box, k: 12 }));

  /** Remember the newest photos that were sent, each by a small picture; older ones give their memory back. */
  function remember() {
    const list = [];
    for (const [place, [number, photo]] of [...photos].reverse().entries()) {
      const { name, path, preview } = photo;
      if (!path || !preview) continue;
      if (place < MOST_KEPT) list.unshift([number, { name, path, preview, url: preview }]);
      else if (photo.url !== preview) {
        URL.revokeObjectURL(photo.url);
        photo.url = preview;
      }
    }
    keep(KEPT, list);
  }

  async function previewOf(file) {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, PREVIEW_SIDE / Math.max(bitmap.width, bitmap.height));
    const small = create("canvas");
    small.width = Math.max(1, Math.round(bitmap.width * scale));
    small.height = Math.max(1, Math.round(bitmap.height * scale));
    small.getContext("2d").drawImage(bitmap, 0, 0, small.width, small.height);
    bitmap.close();
    return small.toDataURL("image/webp", 0.8);
  }

  function take(files) {
    const given = [...files].filter(Boolean);
    if (!given.length) return;
    const large = given.find((file) => file.size > props.max_bytes);
    if (large) {
      lookalike.refuse(`It has ${megabytes(large.size)}; a photo may have at most ${megabytes(props.max_bytes)}.`, `“${large.name}” cannot be used.`);
      return;
    }
    const before = replacing ? [] : lookalike.asked().photos;
    if (before.length + given.length > MOST_PHOTOS) {
      lookalike.refuse(`They are ${before.length + given.length}; at most ${MOST_PHOTOS} photos of one thing can be asked with.`, "Too many photos.");
      return;
    }
    const numbers = given.map((file) => {
      const number = `${session}-${(taken += 1)}`;
      photos.set(number, { name: file.name, url: URL.createObjectURL(file), path: null, file });
      return number;
    });
    lookalike.searchPhotos([...before, ...numbers]);
  }

  function choose(fresh) {
    replacing = fresh;
    input.click();
  }

  input.addEventListener("change", () => {
    take(input.files);
    input.value = ""; // so that the same file can be chosen again
    replacing = true;
  });
  find(".choose").addEventListener("click", () => choose(true));
  find(".invite").addEventListener("click", (click) => {
    if (!click.target.closest("button, input, .lookup")) choose(true);
  });
  find(".add").addEventListener("click", () => choose(false));
  find(".new").addEventListener("click", () => {
    lookalike.begin();
    find(".choose").focus();
  });
  find(".cut").addEventListener("click", () => (crop.open ? crop.close() : crop.begin()));
  find(".whole").addEventListener("click", () => {
    crop.close();
    lookalike.ask({ crop: null, k: 12 });
    find(".cut").focus();
  });
  shown.addEventListener("error", () => canvas.classList.add("missing"));
  shown.addEventListener("load", () => {
    canvas.style.setProperty("--shape", (shown.naturalWidth / shown.naturalHeight).toFixed(4));
    crop.place();
  });
  acceptAnywhere((files) => {
    replacing = true;
    take(files);
  });
  lookalike.camera(find(".shoot"), find(".camera"), (file) => take([file]));
  lookalike.lookup(find(".lookup"));

  function show(question, product) {
    find(".invite").hidden = true;
    find(".asked").hidden = false;
    const [first] = question.photos.map((number) => photos.get(number));
    const { main, place, isFile } = product ? title(product) : { main: "", place: "", isFile: false };
    const many = question.photos.length;
    const liked = !first && question.product === null;
    find(".name").textContent = first ? (many > 1 ? `${many} photos of one thing` : "Your photo") : liked ? "What you like" : main;
    find(".name").classList.toggle("file", isFile);
    find(".facts").textContent = first ? (many > 1 ? "" : first.name) : product ? facts(product) || place : "";
    const source = first ? first.url : product ? `${product.media}&w=960` : "";
    canvas.hidden = liked;
    if (!source) shown.removeAttribute("src");
    else if (shown.getAttribute("src") !== source) {
      canvas.classList.remove("missing");
      shown.src = source;
    }
    shown.alt = first ? "Your photo" : main;
    const croppable = many === 1 || (many === 0 && Boolean(product));
    find(".cut").hidden = !croppable;
    find(".whole").hidden = !question.crop;
    find(".add").hidden = !first || many >= MOST_PHOTOS;
    crop.show(croppable ? question.crop : null);
    if (!croppable) crop.close();
    find(".photos").hidden = many < 2;
    find(".photos").replaceChildren(...(many < 2 ? [] : question.photos.map((number) => chip(number, question.photos))));
  }

  function say(line, problem, cause) {
    line.querySelector("strong").textContent = cause;
    line.querySelector("span").textContent = problem;
    line.hidden = !problem;
  }

  /** One of several photos, and the way to take it out. */
  function chip(number, all) {
    const item = create("li");
    const image = create("img");
    image.src = photos.get(number).url;
    image.alt = photos.get(number).name;
    const leaveOut = () => {
      lookalike.ask({ photos: all.filter((each) => each !== number), k: 12 });
      find(".add").focus();
    };
    item.append(image, iconButton("remove", "cross", `Leave out ${photos.get(number).name}`, leaveOut));
    return item;
  }

  lookalike.arrived("query", {
    show,
    invite(problem, cause) {
      crop.close();
      find(".invite").hidden = false;
      find(".asked").hidden = true;
      say(find(".invite .problem"), problem, cause);
    },
    complain: (complaint) => say(find(".asked .problem"), complaint?.problem ?? "", complaint?.cause ?? ""),
    closeCrop: () => crop.close(),
    knows: (numbers) => numbers.every((number) => photos.has(number)),
    name: (numbers) => photos.get(numbers[0])?.name ?? "",
    picture: (numbers) => photos.get(numbers[0])?.preview ?? photos.get(numbers[0])?.url,
    send: (sent) => trigger("submit", sent),
    nudge: () => trigger("tick"),

    /** The photos' paths on the server; those that are not there yet are sent. */
    async uploads(numbers) {
      for (const photo of numbers.map((number) => photos.get(number))) {
        if (photo.path) continue;
        photo.path = (await upload(photo.file)).path;
        previewOf(photo.file)
          .then((preview) => (photo.preview = preview))
          .then(remember, () => {}); // a picture that this browser cannot draw is not remembered
      }
      return numbers.map((number) => photos.get(number).path);
    },

    /** The server has answered for photos: should it forget them after all, they can be sent once more. */
    accepted(numbers) {
      for (const number of numbers) photos.get(number).renewed = false;
    },

    /** The server has forgotten photos: whether they can be sent again. */
    renew(numbers) {
      const gone = numbers.map((number) => photos.get(number));
      if (!gone.every((photo) => photo.file && !photo.renewed)) return false;
      for (const photo of gone) Object.assign(photo, { path: null, renewed: true });
      return true;
    },
  });

  /** Photos dropped or pasted anywhere on the page are taken. */
  function acceptAnywhere(taken) {
    const root = document.documentElement;
    const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
    const usable = (files) => {
      const images = [...files].filter((file) => file.type.startsWith("image/"));
      return images.length ? images : [files[0]];
    };
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
      if (carriesFile(event)) taken(usable(event.dataTransfer.files));
    });
    addEventListener("paste", (event) => {
      const words = event.target.closest?.("input, textarea") && event.clipboardData?.types.includes("text/plain"); // office programs add a picture
      if (event.clipboardData?.files.length && !words) {
        event.preventDefault();
        taken(usable(event.clipboardData.files));
      }
    });
  }
};
