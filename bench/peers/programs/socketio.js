// Emits each line of its standard input, a JSON object, to every client: Socket.IO, with a DATABASE_URL through its Postgres adapter.
//        node socketio.js PORT [DATABASE_URL]
"use strict";

const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const { Server } = require("socket.io");

const [port, databaseUrl] = process.argv.slice(2);

async function main() {
  const http = createServer();
  const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });
  // The documentation's advice for memory: nothing here reads the first request of a client again.
  io.engine.on("connection", (socket) => {
    socket.request = null;
  });
  if (databaseUrl) {
    const { createAdapter } = require("@socket.io/postgres-adapter");
    const { Pool } = require("pg");
    const pool = new Pool({ connectionString: databaseUrl });
    await pool.query(
      "create table if not exists socket_io_attachments (id bigserial unique, created_at timestamptz default now(), payload bytea)",
    );
    io.adapter(createAdapter(pool));
  }
  createInterface({ input: process.stdin })
    .on("line", (line) => io.emit("push", JSON.parse(line)))
    .on("close", () => process.exit(0));
  http.listen(Number(port), "127.0.0.1", 4096);
}

main();
