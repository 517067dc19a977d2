package wire

import (
	"net/http"
	"testing"

	"gptpipe/pkg/llm"
)

// A said is a body that a server has sent, and where that is reported.
type said struct {
	server string
	status int
	body   string
}

// The model, or the key, is refused: no record fares better than the one that heard it first. Where a body is known
// only as a client has printed it, the fields have been put in their order.
var refusals = map[string][]said{
	"model_not_found": {
		{"OpenAI", 404, `{"error":{"message":"The model ` + "`gpt-9`" + ` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}`}, // zh-plus/openlrc#63
		{"OpenAI, in other words", 404, `{"error":{"message":"The model: ` + "`gpt-9`" + ` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}`},
		{"OpenAI, a bad name", 400, `{"error":{"message":"invalid model ID","type":"invalid_request_error","param":null,"code":null}}`},                                                                                                                                                                 // danielmiessler/Fabric#1299
		{"OpenAI, no chat model", 404, `{"error":{"message":"This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?","type":"invalid_request_error","param":"model","code":null}}`},                                                   // Chanzhaoyu/chatgpt-web#1428
		{"Azure", 404, `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}`},                                                                         // chatboxai/chatbox#861
		{"Azure, the code lost on the way", 404, `{"error":{"code":404,"message":"The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}`},                                                                // microsoft/semantic-kernel#5319
		{"Mistral", 400, `{"object":"error","message":"Invalid model: mistral-9","type":"invalid_model","param":null,"code":"1500"}`},                                                                                                                                                                   // tmc/langchaingo#1233
		{"OpenRouter", 400, `{"error":{"message":"claude-sonnet-4-6 is not a valid model ID","code":400},"user_id":"user_2v"}`},                                                                                                                                                                         // OpenRouterTeam/openrouter-examples#74
		{"OpenRouter, behind a proxy", 400, `{"error":"{\"error\":{\"message\":\"google/gemini-2.0-pro-exp-02-05:free is not a valid model ID\",\"code\":400},\"user_id\":\"user_2x\"}"}`},                                                                                                              // maxnowack/anthropic-proxy#4
		{"OpenRouter, nobody serves it", 404, `{"error":{"message":"No endpoints found for stepfun/step-3.5-flash:free.","code":404},"user_id":"user_3C"}`},                                                                                                                                             // Alishahryar1/free-claude-code#166
		{"OpenRouter, nobody served it", 404, `{"error":{"message":"No endpoints found for this model.","code":404},"user_id":"user_2l"}`},                                                                                                                                                              // infiniflow/ragflow#2359
		{"DeepSeek", 400, `{"error":{"message":"Model Not Exist","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`},                                                                                                                                                         // deepwn/addi#13
		{"DeepSeek, without the wrapper", 400, `{"code":"invalid_request_error","message":"Model Not Exist","type":"invalid_request_error","request_id":""}`},                                                                                                                                           // coze-dev/coze-studio#293
		{"Groq", 404, `{"error":{"message":"The model ` + "`llama-9`" + ` does not exist or you do not have access to it.","type":"invalid_request_error","code":"model_not_found"}}`},                                                                                                                  // BerriAI/litellm#5312
		{"Groq, withdrawn", 400, `{"error":{"message":"The model ` + "`qwen-qwq-32b`" + ` has been decommissioned and is no longer supported. Please refer to https://console.groq.com/docs/deprecations","type":"invalid_request_error","code":"model_decommissioned"}}`},                              // atiilla/sqlmap-ai#3
		{"Together", 400, `{"id":"okk","error":{"message":"Unable to access non-serverless model x/evo-1. Please visit https://api.together.ai/models/x/evo-1 to create and start a new dedicated endpoint for the model.","type":"invalid_request_error","param":null,"code":"model_not_available"}}`}, // evo-design/evo#95
		{"Together, behind a gateway", 400, `{"status":"failure","message":"together-ai error: Unable to access non-serverless model x/evo-1. Please visit","error":{"message":"together-ai error: Unable to access non-serverless model x/evo-1. Please visit"}}`},                                     // truefoundry/models#919
		{"Together, asleep", 400, `{"id":"okk","error":{"message":"The dedicated endpoint for x/Mixtral is not running. Please visit https://api.together.ai/models to start the endpoint.","type":"invalid_request_error","param":null,"code":"dedicated_endpoint_not_running"}}`},                     // HeyPuter/puter#3168
		{"Fireworks", 404, `{"message":"Model not found, inaccessible, and/or not deployed","param":"model","code":"NOT_FOUND","type":"error"}`},                                                                                                                                                        // warpdotdev/warp#15107
		{"Anthropic", 404, `{"type":"error","error":{"type":"not_found_error","message":"model: sonnet4"}}`},                                                                                                                                                                                            // anthropics/claude-code#5349
		{"LiteLLM", 400, `{"error":{"message":"/chat/completions: Invalid model name passed in model=custom/kimi. Call ` + "`/v1/models`" + ` to view available models for your key.","type":"None","param":"None","code":"400"}}`},                                                                     // BitterSecurity/Decepticon#747
		{"LiteLLM, an object for a message", 400, `{"error":{"message":{"error":"/chat/completions: Invalid model name passed in model=R1x. Call ` + "`/v1/models`" + ` to view available models for your key."},"type":"None","param":"None","code":"400"}}`},                                          // BerriAI/litellm#8821
		{"LiteLLM, early 2024", 400, `{"error":{"message":"400: {'error': 'Invalid model name passed in model=Lite-GPT-12'}","type":"None","param":"None","code":400}}`},                                                                                                                                // BerriAI/litellm#3142
		{"LiteLLM, words of Perplexity", 400, `{"error":{"message":"litellm.BadRequestError: PerplexityException - Invalid model 'perplexity/sonar'. Permitted models can be found in the documentation.. Received Model Group=pplx-sonar","type":null,"param":null,"code":"400"}}`},                    // BerriAI/litellm#37761
		{"Perplexity", 400, `{"error":{"message":"Invalid model 'sonar-9'. Permitted models can be found in the documentation at https://docs.perplexity.ai/docs/getting-started/models.","type":"invalid_model","code":400}}`},                                                                         // FerroxLabs/wayland#603
		{"llama.cpp, routing", 400, `{"error":{"code":400,"message":"model not found","type":"invalid_request_error"}}`},                                                                                                                                                                                // its tools/server
		{"llama.cpp, not loading", 400, `{"error":{"code":400,"message":"model is not loaded","type":"invalid_request_error"}}`},                                                                                                                                                                        // its tools/server
		{"LM Studio", 404, `{"error":{"message":"Model \"default\" not found. Please specify a valid model.\n\nYour models:\n\ngemma-3-27b","type":"invalid_request_error","param":"model","code":"model_not_found"}}`},                                                                                 // gitbutlerapp/gitbutler#8706
		{"LM Studio, nothing loaded", 404, `{"error":{"message":"No models loaded. Please load a model in the developer page or use the ` + "`lms load`" + ` command.","type":"invalid_request_error"}}`},                                                                                               // lmstudio-ai/lms#107
		{"Cohere", 404, `{"message":"model 'command-9' not found, make sure the correct model ID was used and that you have access to the model."}`},                                                                                                                                                    // cohere-ai/cohere-python#590
		{"xAI", 404, `{"code":"Some requested entity was not found","error":"The model grok-beta does not exist or your team bdc3 does not have access to it. Please ensure you're using the correct API key."}`},                                                                                       // yihong0618/bilingual_book_maker#464
		{"Bedrock", 400, `{"message":"The provided model identifier is invalid."}`},                                                                                                                                                                                                                     // iOfficeAI/AionCore#377
		{"Vertex", 404, `[{"error":{"code":404,"message":"Publisher Model ` + "`projects/1/locations/us-central1/publishers/x/models/y`" + ` was not found or your project does not have access to it. Please ensure you are using a valid model version.","status":"NOT_FOUND"}}]`},                    // genkit-ai/genkit#4688
		{"Vertex, behind a gateway", 404, `{"status":"failure","message":"vertex error: Publisher Model ` + "`projects/1/models/gemma4`" + ` was not found or your project does not have access to it."}`},                                                                                              // truefoundry/models#961
		{"Gemini", 404, `[{"error":{"code":404,"message":"models/gemini-9 is not found for API version v1main, or is not supported for generateContent.","status":"NOT_FOUND"}}]`},                                                                                                                      // continuedev/continue#9939
		{"Gemini, in a message", 404, `{"error":{"message":"{\n  \"error\": {\n    \"code\": 404,\n    \"message\": \"models/gemini-pro is not found for API version v1beta\",\n    \"status\": \"NOT_FOUND\"\n  }\n}\n","code":404,"status":"Not Found"}}`},                                            // continuedev/continue#9939
		{"GitHub Models", 400, `{"error":{"code":"unknown_model","message":"Unknown model: /gpt-4.1","details":"Unknown model: /gpt-4.1"}}`},                                                                                                                                                            // tonybaloney/llm-github-models#52
		{"GitHub Copilot", 400, `{"error":{"message":"The requested model is not supported.","code":"model_not_supported","param":"model","type":"invalid_request_error"}}`},                                                                                                                            // mnfst/llm-gateway#1258
		{"Hugging Face", 400, `{"error":{"message":"The requested model 'x/gpt-oss' is not supported by any provider you have enabled."}}`},                                                                                                                                                             // n4ze3m/page-assist#727
	},
	"invalid_api_key": {
		{"Gemini", 400, `[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}]`}, // cequence-io/openai-scala-client#109
		{"Gemini, in a message", 400, `{"error":{"message":"{\n  \"error\": {\n    \"code\": 400,\n    \"message\": \"API key expired. Please renew the API key.\",\n    \"status\": \"INVALID_ARGUMENT\"\n  }\n}\n","code":400,"status":"Bad Request"}}`},        // continuedev/continue#11336
		{"Gemini, a key of nobody", 400, `{"error":{"code":400,"message":"API Key not found. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}`},                                                                                                        // google-gemini/gemini-cli#25198
		{"xAI", 400, `{"code":"Client specified an invalid argument","error":"Incorrect API key provided: ba***na. You can obtain an API key from https://console.x.ai."}`},                                                                                       // i-am-bee/beeai-framework#447, continuedev/continue#10161
	},
}

func TestRefusals(t *testing.T) {
	for code, bodies := range refusals {
		for _, s := range bodies {
			e := httpError(s.status, http.Header{}, []byte(s.body))
			if e.Type != llm.Auth || e.Code != code || e.Retry || !e.Final() {
				t.Errorf("%s: %+v", s.server, e)
			}
		}
	}
}

// What is said of one record, be it with such words, stays that record's failure.
func TestNoRefusals(t *testing.T) {
	for _, s := range []said{
		{"OpenAI, too long", 400, `{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`},
		{"vLLM, too long", 400, `{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}`},
		{"no pictures", 400, `{"error":{"message":"The model gpt-3.5-turbo does not support image input.","type":"invalid_request_error","param":null,"code":null}}`},
		{"OpenRouter, no pictures", 404, `{"error":{"message":"No endpoints found that support image input","code":404}}`},
		{"OpenAI, no such format", 400, `{"error":{"message":"Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.","type":"invalid_request_error","param":null,"code":null}}`},
		{"the answer before it", 400, `{"error":{"message":"Previous response with id 'resp_1' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}`},
		{"the answer before it, of another model", 404, `{"error":{"message":"Previous response with id 'resp_1' not found for this model.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}`},
		{"a file", 404, `{"error":{"message":"No such File object: file-1","type":"invalid_request_error","param":"file_id","code":null}}`},
		{"a file, no word of what it is about", 404, `{"error":{"message":"File file-1 does not exist","type":"invalid_request_error","param":null,"code":null}}`},
		{"a parameter", 400, `{"error":{"message":"Invalid model parameters","type":"invalid_request_error"}}`},
		{"a request that is repeated", 422, `{"detail":[{"loc":["body","messages"],"msg":"field required","input":"the model gpt-9 does not exist"}]}`},
		{"vLLM, a request that is repeated", 400, `{"object":"error","message":"[{'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required', 'input': 'the model gpt-9 does not exist. Invalid API key'}]","type":"BadRequestError","param":null,"code":400}`},
		{"a text that is repeated", 400, `{"error":{"message":"Invalid value: 'the model gpt-9 does not exist'. Supported values are: 'a'.","type":"invalid_request_error","param":"input","code":"invalid_value"}}`},
		{"a key in a text", 400, `{"error":{"message":"The prompt has what looks like an invalid API key in it","type":"invalid_request_error"}}`},
	} {
		e := httpError(s.status, http.Header{}, []byte(s.body))
		if e.Type != llm.InvalidRequest || e.Final() {
			t.Errorf("%s: %+v", s.server, e)
		}
	}
	for _, s := range []said{
		{"a model that has no free machine", 503, `{"error":{"message":"No machine is free","code":"model_not_available"}}`},
		{"a limit of the model", 429, `{"error":{"message":"Model not found on a free machine","code":"model_not_available"}}`},
	} {
		if e := httpError(s.status, http.Header{}, []byte(s.body)); e.Final() || !e.Retry {
			t.Errorf("%s: %+v", s.server, e)
		}
	}
}
