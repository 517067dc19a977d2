// Runs oidc-provider on a free port of 127.0.0.1, for oidc.go. It says its address in one line on stdout and ends when stdin
// closes, which it does when the test is over or its process has died.
import http from "node:http";
import { Provider } from "oidc-provider";

// Its warnings are about what a test needs not have: keys of its own, pages of its own.
console.info = console.warn = () => {};

const options = JSON.parse(process.argv[2]);
const device = "urn:ietf:params:oauth:grant-type:device_code";
const none = { redirect_uris: [], response_types: [] };

const server = http.createServer().listen(0, "127.0.0.1", () => {
  const root = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(root, {
    clients: [
      { client_id: "person", token_endpoint_auth_method: "none", grant_types: [device, "refresh_token"], ...none },
      { client_id: "service", client_secret: "service-secret-1", grant_types: ["client_credentials"], ...none },
      {
        client_id: "service-post",
        client_secret: "service-secret-2",
        token_endpoint_auth_method: "client_secret_post",
        grant_types: ["client_credentials"],
        ...none,
      },
    ],
    scopes: ["openid", "offline_access", "api"],
    features: {
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
    },
    rotateRefreshToken: true,
    ttl: {
      AccessToken: options.accessToken,
      ClientCredentials: options.accessToken,
      DeviceCode: options.deviceCode,
      RefreshToken: 3600,
      Grant: 3600,
      Interaction: 3600,
      Session: 3600,
    },
  });
  // It gives no interval, and a client then has to wait 5 s between polls.
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.oidc?.route === "device_authorization" && ctx.status === 200) ctx.body = { ...ctx.body, interval: 1 };
  });
  const answer = provider.callback();
  const counts = {};
  server.on("request", (req, res) => {
    if (req.url === "/counts") {
      res.end(JSON.stringify(counts));
      return;
    }
    const what = `${req.method} ${req.url}`;
    counts[what] = (counts[what] ?? 0) + 1;
    answer(req, res);
  });
  console.log(root);
});

setTimeout(() => process.exit(0), 10 * 60 * 1000);
process.stdin.on("end", () => process.exit(0)).resume();
