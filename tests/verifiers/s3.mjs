// s3rver, which checks signatures, on a port that it prints; then for each line on stdin what the SDK of AWS finds in the bucket.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import S3rver from "s3rver";

const server = new S3rver({ port: 0, address: "127.0.0.1", silent: true, directory: process.argv[2], configureBuckets: [{ name: "results", configs: [] }] });
const { port } = await server.run();
console.log(port);

const client = new S3Client({
  endpoint: "http://127.0.0.1:" + port,
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" },
});
for await (const _ of createInterface({ input: process.stdin })) {
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
