// s3rver on a port that it prints; then for each line on stdin what the SDK of AWS finds in the bucket. s3rver reads signatures of version 4 but does
// not check them: before it stands AWS's own signer, which makes each anew from what has come.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Sha256 } from "@aws-crypto/sha256-js";
import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { HttpRequest } from "@smithy/protocol-http";
import { SignatureV4 } from "@smithy/signature-v4";
import S3rver from "s3rver";

const credentials = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
const signer = new SignatureV4({ service: "s3", region: "us-east-1", credentials, sha256: Sha256, uriEscapePath: false, applyChecksum: false });

function dateOf(text) {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  return new Date(Date.UTC(y, mo - 1, d, h, mi, s));
}

async function isSigned({ method, url, headers }) {
  const authorization = headers.authorization ?? "";
  const names = /SignedHeaders=([^,]+)/.exec(authorization)?.[1].split(";") ?? [];
  if (!names.includes("host") || !names.includes("x-amz-content-sha256") || !headers["x-amz-date"]) return false;
  const [path, search = ""] = url.split("?");
  const query = Object.fromEntries(new URLSearchParams(search.replaceAll("+", "%2B")));
  const request = new HttpRequest({ method, protocol: "http:", hostname: "x", path, query, headers: Object.fromEntries(names.map((n) => [n, headers[n]])) });
  const signed = await signer.sign(request, { signingDate: dateOf(headers["x-amz-date"]) });
  return signed.headers.authorization === authorization;
}

const s3rver = new S3rver({ silent: true, directory: process.argv[2], configureBuckets: [{ name: "results", configs: [] }] });
await s3rver.configureBuckets();
const handle = s3rver.callback();
const server = createServer(async (req, res) => {
  if (await isSigned(req).catch(() => false)) return handle(req, res);
  req.resume();
  res.writeHead(403).end("<Error><Code>SignatureDoesNotMatch</Code></Error>");
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));

const endpoint = () => "http://127.0.0.1:" + server.address().port;
for await (const _ of createInterface({ input: process.stdin })) {
  const client = new S3Client({ endpoint: endpoint(), region: "us-east-1", forcePathStyle: true, credentials });
  const found = {};
  const list = await client.send(new ListObjectsV2Command({ Bucket: "results" }));
  for (const { Key } of list.Contents ?? []) {
    const object = await client.send(new GetObjectCommand({ Bucket: "results", Key }));
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const part of object.Body) {
      hash.update(part);
      bytes += part.length;
    }
    found[Key] = [bytes, hash.digest("hex")];
  }
  console.log(JSON.stringify(found));
}
process.exit(0);
