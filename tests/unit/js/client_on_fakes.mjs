import { Client } from "../../../static/client.js";
import { FakeClock, FakeSocket, FakeStorage } from "./fakes.mjs";

export const USER = { id: 5, role: "user" };

/** A client on a clock, sockets, a storage and a network that tests control, and the events that it emits. */
export function setUp({ user = USER, installation = "db", storage = new FakeStorage(), random = () => 0.5, ...rest } = {}) {
  const clock = new FakeClock();
  const sockets = [];
  const events = [];
  const network = { isOnline: true };
  const client = new Client({
    url: "ws://test/ws", storage, clock, random,
    on: (event) => events.push(event),
    isOnline: () => network.isOnline,
    openSocket: (address, protocol) => {
      sockets.push(new FakeSocket(address, protocol));
      return sockets.at(-1);
    },
    signIn: async () => ({ token: "t" }),
    ...rest,
  });
  const greet = async () => {
    sockets.at(-1).open();
    await sockets.at(-1).reply("hello", { user, role: "user", node: "n", installation, time_ms: clock.now() + 40, ping_ms: 20_000 });
    return sockets.at(-1);
  };
  const connect = () => {
    client.connect();
    return greet();
  };
  const emitted = (type) => events.filter((event) => event.type === type);
  return { client, clock, sockets, events, network, storage, connect, greet, emitted };
}

/** The reply to a cast. */
export const castReply = (at, ballot, durability = "committed") => ({ at, durability, ballot, remaining: null });
