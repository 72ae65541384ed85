/** The pages of the console, in the order of the navigation. A new page is one module and one line here (CONTRIBUTING.md). */
import { abuse } from "./abuse-page.js";
import { audit } from "./audit-page.js";
import { brands } from "./brands-page.js";
import { catalogue } from "./catalogue-page.js";
import { connections } from "./connections-page.js";
import { database } from "./database-page.js";
import { now } from "./now-page.js";
import { people } from "./people-page.js";
import { shows } from "./shows-page.js";
import { sync } from "./sync-page.js";
import { tours } from "./tours-page.js";
import { webhooks } from "./webhooks-page.js";

/** @import { ConsolePage } from "./types.js" */

/** @type {ConsolePage[]} */
export const PAGES = [now, shows, catalogue, people, abuse, sync, database, connections, webhooks, brands, tours, audit];
