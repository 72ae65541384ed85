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

/** What the server tells a device (server/webpush/sender.py). */
export interface Notice {
  title: string;
  text: string;
  /** Path of the page about it. */
  url: string;
  /** A later notice with the same tag takes the place of an earlier one. */
  tag: string;
}

export interface PushMessage extends LifeEvent {
  readonly data: { json(): Notice } | null;
}

export interface NoticeTap extends LifeEvent {
  readonly notification: Notification;
}

export interface WindowClient {
  readonly url: string;
  focus(): Promise<WindowClient>;
}

export interface WorkerScope {
  readonly shell: Shell;
  readonly registration: ServiceWorkerRegistration;
  readonly clients: {
    matchAll(options: { type: "window"; includeUncontrolled: boolean }): Promise<WindowClient[]>;
    openWindow(url: string): Promise<WindowClient | null>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: LifeEvent) => void): void;
  addEventListener(type: "fetch", listener: (event: RequestEvent) => void): void;
  addEventListener(type: "push", listener: (event: PushMessage) => void): void;
  addEventListener(type: "notificationclick", listener: (event: NoticeTap) => void): void;
}
