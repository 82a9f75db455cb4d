package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// failure is an answer in OpenAI's error shape. Field order is the order on the wire.
type failure struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`

	status int // HTTP status
	retry  time.Duration
	cause  error // for the log only

	bill    *bill  // of an answer 402
	settled string // "Name: value" of the header that says what became of a payment
}

// Error lets a failure travel as an error.
func (f *failure) Error() string { return f.Message }

// Unwrap gives the log the cause.
func (f *failure) Unwrap() error { return f.cause }

// failed builds a failure; an empty param or code becomes null.
func failed(status int, kind, param, code, message string) *failure {
	f := &failure{Message: message, Type: kind, status: status}
	if param != "" {
		f.Param = &param
	}
	if code != "" {
		f.Code = &code
	}
	return f
}

// badParam refuses the value of one parameter.
func badParam(param, message string) *failure {
	return failed(http.StatusBadRequest, "invalid_request_error", param, "invalid_value", message)
}

// badBody refuses a body that is not the JSON we accept.
func badBody(message string) *failure {
	return failed(http.StatusBadRequest, "invalid_request_error", "", "invalid_json", message)
}

// unsupported refuses a parameter that would change the answer in a way no node computes yet.
func unsupported(param, accepted string) *failure {
	return failed(http.StatusBadRequest, "invalid_request_error", param, "unsupported_parameter",
		param+" is not supported here and ignoring it would change the answer: leave it out or send "+accepted)
}

// noText refuses a part of a message that is no text, such as an image.
func noText(param, given, accepted string) *failure {
	return failed(http.StatusBadRequest, "invalid_request_error", param, "unsupported_parameter",
		param+" is of type "+strconv.Quote(clip(given, 40))+", and models here read text alone: leave it out, or send what it says as "+accepted)
}

// noModel answers for a model that nobody serves.
func noModel(name string) *failure {
	return failed(http.StatusNotFound, "invalid_request_error", "model", "model_not_found",
		"the model "+strconv.Quote(clip(name, 100))+" does not exist here: GET /v1/models lists those that do")
}

// failureOf maps an error of the backend to the answer its sentinel asks for.
func failureOf(err error) *failure {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, errClientGone):
		f = failed(statusClientGone, "server_error", "", "client_closed_request", errClientGone.Error())
	case errors.Is(err, ErrModelNotFound):
		f = failed(http.StatusNotFound, "invalid_request_error", "model", "model_not_found", err.Error())
	case errors.Is(err, ErrInvalid):
		f = failed(http.StatusBadRequest, "invalid_request_error", "", "invalid_request", err.Error())
	case errors.Is(err, ErrBusy):
		f = failed(http.StatusTooManyRequests, "rate_limit_error", "", "rate_limit_exceeded", err.Error())
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		f = failed(http.StatusServiceUnavailable, "server_error", "", "unavailable", err.Error())
	default:
		f = failed(http.StatusInternalServerError, "server_error", "", "internal_error",
			"the gateway failed to answer; its log has the reason under the id in the X-Request-Id header")
	}
	f.cause = err
	return f
}

// write sends the failure as a complete answer.
func (f *failure) write(w http.ResponseWriter) {
	switch f.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(int(ceil(f.retry)/time.Second)))
		if f.retry > 0 {
			w.Header().Set("Retry-After-Ms", strconv.FormatInt(f.retry.Milliseconds()+1, 10))
		}
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="elenchus"`)
	}
	if f.bill == nil {
		writeJSON(w, f.status, f.enveloped(w))
		return
	}
	if name, value, ok := strings.Cut(f.settled, ": "); ok {
		w.Header().Set(name, value)
	}
	body := marshal(f.enveloped(w)) // an object
	if terms := f.bill.show(w.Header(), f.Message); terms != nil {
		body = slices.Concat([]byte("{"), terms, []byte(","), body[1:])
	}
	writeJSON(w, f.status, json.RawMessage(body))
}

// enveloped is the failure as the face that w answers for shows it.
func (f *failure) enveloped(w http.ResponseWriter) any {
	if rec, ok := w.(*record); ok {
		return rec.face.envelope(f, rec.id)
	}
	return f.body()
}

// body is the failure in the envelope of OpenAI, which is also its form inside a stream.
func (f *failure) body() any {
	return struct {
		Error *failure `json:"error"`
	}{f}
}

// clip shortens s to about n bytes for use in a message, without cutting a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
