// Runs aimock on a free port of 127.0.0.1 with the fixtures of this folder, for aimock.go. It says its address in one line
// on stdout and ends when stdin closes, which it does when the test is over or its process has died.
import { LLMock } from "@copilotkit/aimock";

const mock = new LLMock({ host: "127.0.0.1", port: 0, journalMaxEntries: 0, chunkSize: 4 });

const text = (content) =>
  typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");

// Fixtures in JSON have fixed answers; to answer with the prompt takes a function.
mock.on({ userMessage: /^echo\s/i }, (request) => {
  const prompt = text(request.messages.findLast((m) => m.role === "user").content);
  return { content: prompt.replace(/^echo(\n\n|\s)/i, "") };
});
mock.on({ userMessage: /^echo-system/i }, (request) => {
  return { content: request.messages.filter((m) => m.role === "system").map((m) => text(m.content)).join("\n") };
});
mock.loadFixtureDir(new URL("fixtures", import.meta.url).pathname);

console.log(await mock.start());

setTimeout(() => process.exit(0), 10 * 60 * 1000);
process.stdin.on("end", () => process.exit(0)).resume();
