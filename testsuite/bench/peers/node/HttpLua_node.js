// HttpLua_node.js -- row 43: the same answer from Node's own HTTP server.
//
// A process on each core (Listeners), each with a listener of its own as fd 3, as in a cluster, but
// without its primary.  The server sends fields of its own beside those of the others: Connection and
// Keep-Alive (the date is switched off).  What Node parses and checks, the others do not.

"use strict";

const http = require("http");

const LISTENER = 3;
const HOUR_MS = 3600 * 1000;

const body = Buffer.from("<!DOCTYPE html>\n<title>Capri</title>\n<h1>Capri</h1>\n<p>One green thread " +
    "for each connection, written as if every call blocked. None of them ever does.\n");
const fields = { "Content-Type": "text/html", "Content-Length": body.length };

const server = http.createServer({ keepAliveTimeout: HOUR_MS, noDelay: true }, (request, response) => {
    response.sendDate = false;
    response.writeHead(200, fields);
    response.end(body);
});
server.listen({ fd: LISTENER });
