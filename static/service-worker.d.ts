/** The part of a service worker's world that service-worker.js uses; TypeScript's own types of it do not stand beside those of a page. */

/** What the server puts before the script (server/web/service_worker.py). */
export interface Shell {
  version: string;
  /** The HTML of the page without a show. */
  page: string;
  /** The headers of a page. */
  headers: Record<string, string>;
  /** The addresses that the page names, and those of modules that it loads later. */
  files: string[];
}

export interface LifeEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

export interface RequestEvent extends LifeEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

export interface WorkerScope {
  readonly shell: Shell;
  readonly registration: ServiceWorkerRegistration;
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: LifeEvent) => void): void;
  addEventListener(type: "fetch", listener: (event: RequestEvent) => void): void;
}
