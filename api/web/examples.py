"""Answers as /openapi.json shows them."""

from pydantic.config import JsonDict

DETECTIONS = {
    "request_id": "7f0c3a5e9b1d4c6f8a2e4d6c8b0a1f3e",
    "model": {"name": "person", "version": "1"},
    "image": {"width": 770, "height": 433, "format": "JPEG"},
    "detections": [
        {
            "label": "person",
            "class_id": 0,
            "score": 0.981,
            "box": {"x_min": 12.4, "y_min": 30.0, "x_max": 210.9, "y_max": 400.2},
            "box_normalized": {"x_min": 0.016104, "y_min": 0.069284, "x_max": 0.273896, "y_max": 0.924249},
        }
    ],
    "count": 1,
    "parameters": {"min_score": 0.5, "labels": ["person"], "max_detections": 100},
    "timing_ms": {"decode": 6.1, "queue": 0.2, "inference": 31.5, "total": 38.2},
}

COCO = [{"image_id": 0, "category_id": 1, "bbox": [12.4, 30.0, 198.5, 370.2], "score": 0.981}]

ROBOFLOW = {
    "image": {"width": 770, "height": 433},
    "predictions": [
        {
            "x": 111.65,
            "y": 215.1,
            "width": 198.5,
            "height": 370.2,
            "confidence": 0.981,
            "class": "person",
            "class_id": 0,
            "detection_id": "7f0c3a5e9b1d4c6f8a2e4d6c8b0a1f3e.0",
        }
    ],
    "time": 0.0382,
    "inference_id": "7f0c3a5e9b1d4c6f8a2e4d6c8b0a1f3e",
}

# Eight by eight grey pixels as PNG, in base64.
SAMPLE = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR42mNsYIAAJgaKGAAmCACQtTEKkQAAAABJRU5ErkJggg=="

BATCH = {
    "request_id": "7f0c3a5e9b1d4c6f8a2e4d6c8b0a1f3e",
    "entries": [
        {"index": 0, "filename": "street.jpg", "status": 200, "result": DETECTIONS},
        {
            "index": 1,
            "filename": "moving.gif",
            "status": 415,
            "problem": {
                "type": "urn:detect-gateway:error:unsupported-picture-format",
                "title": "This image format is not supported",
                "status": 415,
                "detail": "The file is GIF. Supported formats: JPEG, PNG, WEBP. Send one frame of it as PNG.",
                "instance": "/detect/batch",
                "code": "unsupported-picture-format",
                "retryable": False,
                "request_id": "7f0c3a5e9b1d4c6f8a2e4d6c8b0a1f3e.1",
                "detected": "gif",
            },
        },
    ],
    "count": 2,
    "failed": 1,
}

HEALTH: JsonDict = {
    "status": "ready",
    "endpoint": {"kind": "embedded", "name": "embedded", "ready": True},
    "model": {"name": "person", "version": "1"},
    "models": [
        {
            "name": "person",
            "version": "1",
            "endpoint": {"kind": "embedded", "name": "embedded", "ready": True},
        }
    ],
    "uptime_seconds": 4711.2,
    "version": "0.1.0",
}

MODEL: JsonDict = {
    "name": "person",
    "version": "1",
    "labels": ["person"],
    "input_size": 300,
    "fit": "stretch",
    "min_score": 0.5,
    "limits": {"max_body_bytes": 10485760, "max_pixels": 50000000, "max_side": 16384},
    "formats": ["jpeg", "png", "webp"],
}
