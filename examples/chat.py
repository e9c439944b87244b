"""Ask Loopwright with the unmodified OpenAI client; OPENAI_BASE_URL and OPENAI_API_KEY are what `make up` printed."""

from openai import OpenAI

client = OpenAI()
stream = client.chat.completions.create(
    model="handbook", messages=[{"role": "user", "content": "How do I rate an answer?"}], stream=True
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
