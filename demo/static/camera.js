// The camera: a dialog with its picture, and the one sentence that says why there is none.

const CAMERA_PROBLEMS = {
  NotAllowedError: "camera_refused", SecurityError: "camera_refused",
  NotFoundError: "camera_none", OverconstrainedError: "camera_none",
  NotReadableError: "camera_busy", AbortError: "camera_busy",
};

// take: called with a file. say: says a sentence by its key. Gives the dialog's node and what opens it.
function makeCamera({ t, take, say }) {
  const video = make("video", "sw-camera-video", null, { playsinline: "", "aria-label": "" });
  video.muted = true;
  const shoot = button("sw-button sw-camera-shoot", "");
  const close = button("sw-button", "");
  const node = make("dialog", "sw-camera", [video, make("div", "sw-ways", [shoot, close])]);
  let stream = null;
  let asking = false;

  function stop() {
    if (stream) for (const track of stream.getTracks()) track.stop();
    stream = null;
    video.srcObject = null;
  }
  close.addEventListener("click", () => node.close());
  node.addEventListener("close", stop); // also by Escape
  shoot.addEventListener("click", () => {
    const canvas = makeCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d").drawImage(video, 0, 0);
    node.close();
    canvas.toBlob((blob) => take(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.95);
  });

  async function open() {
    if (!navigator.mediaDevices) return say(window.isSecureContext ? "camera_none" : "camera_http");
    if (asking) return undefined;
    asking = true;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
      video.srcObject = stream;
      await video.play();
    } catch (problem) {
      stop();
      return say(CAMERA_PROBLEMS[problem.name] || "toast_camera");
    } finally {
      asking = false;
    }
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => { // unplugged, or forbidden meanwhile
      node.close();
      say("camera_busy");
    });
    video.classList.toggle("sw-camera-mirrored", track.getSettings().facingMode !== "environment");
    node.ariaLabel = t("photo_camera");
    video.ariaLabel = t("camera_picture");
    shoot.textContent = t("camera_shoot");
    close.textContent = t("camera_close");
    node.showModal();
    return shoot.focus();
  }
  return { node, open };
}
