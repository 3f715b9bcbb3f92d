// Photos from a camera.
"use strict";

/** Photos from a camera: a dialog with its picture where the browser has one to give, else the phone's own camera app. */
lookalike.camera = (dialog, opener, taken) => {
  const { create } = lookalike.util;
  const video = dialog.querySelector("video");
  const problem = dialog.querySelector(".problem");
  const take = dialog.querySelector(".take");
  if (!navigator.mediaDevices?.getUserMedia) {
    if (!matchMedia("(pointer: coarse)").matches) return;
    const input = create("input");
    Object.assign(input, { type: "file", accept: "image/*", capture: "environment" });
    input.addEventListener("change", () => taken(input.files[0]));
    opener.addEventListener("click", () => input.click());
    opener.hidden = false;
    return;
  }
  const stop = (stream) => stream?.getTracks().forEach((track) => track.stop());
  opener.hidden = false;
  opener.addEventListener("click", async () => {
    problem.hidden = true;
    take.disabled = video.hidden = false;
    dialog.showModal();
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      if (dialog.open) video.srcObject = stream;
      else stop(stream); // closed while the browser asked
    } catch {
      problem.textContent = "No camera can be used: allow it in the browser, or choose a file.";
      problem.hidden = false;
      take.disabled = video.hidden = true;
    }
  });
  take.addEventListener("click", () => {
    if (!video.videoWidth) return;
    const still = create("canvas");
    still.width = video.videoWidth;
    still.height = video.videoHeight;
    still.getContext("2d").drawImage(video, 0, 0);
    still.toBlob((blob) => taken(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
    dialog.close();
  });
  dialog.querySelector(".shut").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    stop(video.srcObject);
    video.srcObject = null;
  });
};
