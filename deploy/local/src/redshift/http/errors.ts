/** An answer of the Data API that is not a success: `__type`, message and status of the model. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly type: string;
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;

  constructor(type: string, status: number, message: string, fields: Record<string, string> = {}) {
    super(message);
    this.type = type;
    this.status = status;
    this.fields = fields;
  }
}

export function validation(message: string): ApiError {
  return new ApiError("ValidationException", 400, message);
}

export function notFound(id: string): ApiError {
  return new ApiError("ResourceNotFoundException", 400, "Query does not exist.", {
    ResourceId: id,
  });
}
