// Serves the page without a network, and with the headers that a plain host does not send:
// isolation, so that WebAssembly may use threads, and the policy, for workers too.

importScripts("version.js"); // a classic script: not every browser takes modules here

const { VERSION, FILES, POLICY } = self.PAGE;

const PREFIX = `webcam-classifier ${self.registration.scope} `;
const CACHE = PREFIX + VERSION;
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "cross-origin",
  "Content-Security-Policy": POLICY,
};

self.addEventListener("install", (event) => event.waitUntil(keep(FILES)));

// A new version waits until no window shows the old one, or somebody asks for it: files of two
// versions never meet.
self.addEventListener("activate", (event) => event.waitUntil(replace()));

self.addEventListener("message", (event) => {
  if (event.data.takeOver) {
    self.skipWaiting();
    return;
  }
  const [port] = event.ports;
  event.waitUntil(keep(event.data.files).then(() => port.postMessage(true), () => port.postMessage(false)));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(self.registration.scope)) event.respondWith(answer(request));
});

async function keep(files) {
  const cache = await caches.open(CACHE);
  for (const file of files) {
    const address = new URL(file, self.registration.scope);
    if (await cache.match(address)) continue;
    // Asked anew: what the browser remembers may be of an older version.
    await cache.add(new Request(address, { cache: "no-cache" }));
  }
}

async function replace() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
  await self.clients.claim();
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  const wanted = request.mode === "navigate" ? self.registration.scope : request;
  const found = (await cache.match(wanted, { ignoreSearch: true })) ?? (await fetch(request));
  if (found.type !== "basic" || found.status === 304) return found;
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
