// Sends each line of its standard input to every websocket: ws.        node ws.js PORT
"use strict";

const { createInterface } = require("node:readline");
const { WebSocket, WebSocketServer } = require("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096, perMessageDeflate: false });

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const payload = Buffer.from(line);
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) {
        client.send(payload, { binary: false });
      }
    }
  })
  .on("close", () => process.exit(0));
