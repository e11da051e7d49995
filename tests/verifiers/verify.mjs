// A receiver of webhooks with the libraries that receivers use. Prints its port, then a line of JSON for each request: what they say of it,
// and of the same request with one thing changed.
import http from "node:http";
import { HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";

const hook = new Webhook(process.env.WEBHOOK_SECRET);

function refuses(body, headers) {
  try {
    hook.verify(body, headers);
    return false;
  } catch {
    return true;
  }
}

function look(body, headers) {
  const verified = hook.verify(body, headers);
  const event = HTTP.toEvent({ headers, body });
  event.validate();
  const later = String(Number(headers["webhook-timestamp"]) + 1);
  return {
    id: headers["webhook-id"],
    same: verified.id === event.id && event.id === headers["webhook-id"],
    type: event.type,
    subject: event.subject,
    data: event.data,
    refuses: {
      body: refuses(body.replace("1.0", "1.1"), headers),
      id: refuses(body, { ...headers, "webhook-id": "evt_other" }),
      time: refuses(body, { ...headers, "webhook-timestamp": later }),
      old: refuses(body, { ...headers, "webhook-timestamp": "1600000000" }),
    },
  };
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    let told;
    try {
      told = look(Buffer.concat(parts).toString(), request.headers);
    } catch (error) {
      told = { error: String(error) };
    }
    response.writeHead(told.error ? 400 : 204).end();
    console.log(JSON.stringify(told));
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
