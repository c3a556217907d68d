// After the first visit without a network: the service worker keeps the page, the model and the
// runtime that this browser uses.

/**
 * @param {string[]} files What this browser needs besides the page itself.
 * @param {(load: () => void) => void} onNewer Called when a newer version of the page has been
 *   fetched; until its `load` is called, or all windows of the page are closed, the old one is shown.
 * @returns {Promise<boolean>} Whether all of it is kept.
 */
export async function keepForOffline(files, onNewer) {
  if (!("serviceWorker" in navigator) || !window.isSecureContext) return false;
  try {
    const registration = await navigator.serviceWorker.register("service_worker.js");
    watchForNewer(registration, onNewer);
    const { active } = await navigator.serviceWorker.ready;
    const channel = new MessageChannel();
    const kept = new Promise((resolve) => {
      channel.port1.onmessage = ({ data }) => resolve(data === true);
    });
    active.postMessage({ files }, [channel.port2]);
    return await kept;
  } catch {
    return false; // private windows and some embedded pages have no storage
  }
}

function watchForNewer(registration, onNewer) {
  const tell = (worker) => {
    // The first version has nothing to replace.
    if (worker?.state === "installed" && registration.active) onNewer(() => load(worker));
  };
  tell(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker?.addEventListener("statechange", () => tell(worker));
  });
}

function load(worker) {
  navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
  worker.postMessage({ takeOver: true });
}
