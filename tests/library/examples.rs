//! The examples do what they say.

#[path = "../../examples/async_service.rs"]
mod async_service;
#[path = "../../examples/camera_events.rs"]
mod camera_events;
#[path = "../../examples/sensor_thread.rs"]
mod sensor_thread;

#[test]
fn a_camera_loses_its_link_and_nothing_else() {
    camera_events::main().unwrap();
}

#[test]
fn sensors_on_threads_need_no_runtime() {
    sensor_thread::main().unwrap();
}

#[test]
fn an_async_service_ends_in_order() {
    async_service::main().unwrap();
}
