import { describe, expect, it } from "vitest";
import { asApiError, parseProblem } from "./errors";

describe("parseProblem", () => {
  it("reads problem+json", () => {
    const error = parseProblem(404, { title: "NotFound", detail: "no trace x", code: "not_found", hint: "list them", request_id: "req_1" });
    expect(error).toMatchObject({ status: 404, code: "not_found", message: "no trace x", hint: "list them", requestId: "req_1" });
  });

  it("reads the shape of OpenAI, with the request id of the header", () => {
    const error = parseProblem(404, { error: { message: "no model x", type: "not_found", code: "model_not_found", param: "model" } }, "req_2");
    expect(error).toMatchObject({ code: "model_not_found", message: "no model x", param: "model", requestId: "req_2" });
  });

  it("makes do with what a proxy answers", () => {
    expect(parseProblem(502, "<html>Bad gateway</html>")).toMatchObject({ code: "http_502", message: "<html>Bad gateway</html>" });
    expect(parseProblem(500, null)).toMatchObject({ code: "http_500", message: "HTTP 500" });
  });
});

it("wraps whatever is thrown", () => {
  expect(asApiError(new TypeError("x is undefined"))).toMatchObject({ code: "client", message: "x is undefined" });
  expect(asApiError("plain")).toMatchObject({ message: "plain" });
});
