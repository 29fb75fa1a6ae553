// A caller in TypeScript, by the types that openapi-typescript made of the document: it creates a job and follows it.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

const [address, apiKey, organization] = process.argv.slice(2) as [string, string, string];
const api = createClient<paths>({ baseUrl: address, headers: { "x-api-key": apiKey } });

// What has a default may be left out: this line compiles only if priority, delay and the like are optional.
const job: components["schemas"]["CreateSmsSendJob"] = {
  type: "sms.send",
  organization_id: organization,
  payload: { to: "+15555550100", message: { kind: "plain", text: "Your song is next." } },
};
const header = { "Idempotency-Key": crypto.randomUUID() };
const created = await api.POST("/v1/jobs", { params: { header }, body: job });
if (!created.data) throw new Error(`not created: ${JSON.stringify(created.error)}`);
const read = await api.GET("/v1/jobs/{job_id}", { params: { path: { job_id: created.data.id } } });
if (read.data?.id !== created.data.id) throw new Error(`not read: ${JSON.stringify(read.error)}`);

const wrong = await api.POST("/v1/jobs", {
  params: { header: { "Idempotency-Key": crypto.randomUUID() } },
  // @ts-expect-error the payload is missing, and the types know it
  body: { type: "sms.send" },
});
console.log(JSON.stringify({ status: read.data.status, codes: wrong.error?.errors?.map((one) => one.code) }));
