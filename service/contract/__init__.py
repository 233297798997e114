"""The API's contract: operations as code, and the OpenAPI document made from them."""
