// SPDX-License-Identifier: LGPL-2.1-or-later
// Microsoft's own clients against the lab cloud: if they are content, the lab speaks as Azure does.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { ClientAssertionCredential, ManagedIdentityCredential } from "@azure/identity";
import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";

const ALGORITHMS = ["RSA-OAEP-256", "RSA-OAEP"];
const scenario = JSON.parse(readFileSync(process.argv[2], "utf8"));
const hsm = JSON.parse(readFileSync(process.argv[3], "utf8"));
const { client_id: application, identity_client_id: identity } = scenario.provider;

const machine = new ManagedIdentityCredential({ clientId: identity });

async function assertion() {
	return (await machine.getToken("api://AzureADTokenExchange/.default")).token;
}

function say(text) {
	console.log(`oracle: ${text}`);
}

async function wrapAndUnwrap(keyId, credential) {
	const client = new CryptographyClient(keyId, credential);
	for (const algorithm of ALGORITHMS) {
		const secret = randomBytes(72);
		const wrapped = await client.wrapKey(algorithm, secret);
		const opened = await client.unwrapKey(algorithm, wrapped.result);
		assert.deepEqual(Buffer.from(opened.result), secret);
		assert.equal(opened.keyID, keyId);
		say(`${algorithm} ${keyId}`);
	}
}

async function customer(name, ids) {
	const credential = new ClientAssertionCredential(ids.tenant_id, application, assertion);
	const keys = new KeyClient(ids.vault, credential);
	const key = await keys.getKey("disk");
	assert.equal(key.properties.enabled, true);
	assert.notEqual(key.id, ids.kid, "the lab rotated it: the newest is not the first");
	say(`${name}: getKey ${key.keyType} ${key.id}`);
	await wrapAndUnwrap(key.id, credential);
	await wrapAndUnwrap(ids.kid, credential);

	const versions = [];
	for await (const page of keys.listPropertiesOfKeyVersions("disk").byPage({ maxPageSize: 2 }))
		versions.push(page.length);
	assert.deepEqual(versions, [2, 1]);
	say(`${name}: key versions in pages of ${versions}`);
	await assert.rejects(keys.getKey("no-such-key"), { statusCode: 404, code: "KeyNotFound" });
}

// A customer that has not consented: the refusal must arrive as their own error, not as a broken reply.
async function stranger(tenant) {
	const credential = new ClientAssertionCredential(tenant, application, assertion);
	await assert.rejects(credential.getToken("https://vault.azure.net/.default"), /AADSTS7000229/);
	say("stranger: refused with AADSTS7000229");
}

await customer("vault", scenario.customers.contoso);
await customer("managed HSM", hsm);
await stranger(process.argv[4]);
say("all done");
