/**
 * Reads a subscribe state of one `votes:` channel and the pushes after it as JSON lines, runs them through the
 * page's reducer, and prints `{"at", "tally": [[song, up, down], …], "total"}` with songs ascending.
 *
 *   {"at": 130, "state": {"tally": [[101, 3, 0]], "total": 3}}
 *   {"ch": "votes:7", "at": 132, "tally": [[101, 4, 0]], "total": 4}
 */
import { readFileSync } from "node:fs";
import { initial, reduce } from "../../../static/state.js";

const [subscribed, ...pushes] = readFileSync(0, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const channel = pushes[0]?.ch ?? "votes:0";
const id = Number(channel.split(":")[1]);

let state = reduce(initial, { type: "navigate", route: { name: "show", ref: "stream" } });
state = reduce(state, { type: "show_loaded", ref: "stream", show: { id, setlists: [], total: 0 } });
state = reduce(state, { type: "snapshot", channel, at: subscribed.at, state: subscribed.state, isRewound: false });
for (const push of pushes) state = reduce(state, { type: "push", channel: push.ch, at: push.at, payload: push });

const tally = Object.entries(state.show.tally).map(([song, { up, down }]) => [Number(song), up, down]);
console.log(JSON.stringify({ at: state.show.at.votes, tally, total: state.show.total }));
